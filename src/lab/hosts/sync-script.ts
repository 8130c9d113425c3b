/**
 * `sync` on a host of the lab. A kernel lets a DRBD device be opened for reading while it is Secondary, but a flush through such a
 * descriptor fails with EIO, and coreutils' `sync FILE` opens for reading only: it works while somebody on that host has the
 * device open for writing, which makes it Primary. The lab's devices are files, on which any flush would succeed; so the program
 * asks first. Flushes through descriptors that are open for writing (`dd conv=fsync`) promote, and need nothing of this.
 */
export const syncScript = String.raw`#!/bin/sh
# sync of a host of a linstor_un lab: refused by a DRBD device that nobody here has open for writing.
lab=$(cd "${'$'}{0%/*}/../../.." && pwd -P) || exit 1
PATH=/usr/local/bin:/usr/bin:/bin
real=$(command -v sync) || exit 127

is_primary() {
  for fd in /proc/[0-9]*/fd/*; do
    [ "$fd" -ef "$1" ] && [ "$(readlink "$fd" 2>/dev/null)" = "$1" ] || continue
    process=${'$'}{fd%/fd/*}
    # The last octal digit of the flags: 0 read, 1 write, 2 both.
    case $(sed -n 's/^flags:.*\(.\)$/\1/p' "$process/fdinfo/${'$'}{fd##*/}" 2>/dev/null) in
      1|2) return 0 ;;
    esac
  done
  return 1
}

failed=0
whole=
for word do
  case $word in -f|--file-system) whole=1 ;; esac
done
for word do
  case $word in -*) continue ;; esac
  target=$(readlink -f -- "$word") || continue
  case $target in
    "$lab"/linstor/dev/*/drbd[0-9]*)
      [ -n "$whole" ] || is_primary "$target" || {
        echo "sync: error syncing '$word': Input/output error" >&2
        failed=1
      } ;;
  esac
done
[ "$failed" -eq 0 ] || exit 1
exec "$real" "$@"
`;
