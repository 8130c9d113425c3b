/** The programs of a stream (stream.ts); constant bash texts. Between them is a FIFO: no program only passes bytes on. */

/**
 * Arguments: 1 for "as it is", a file for how it was packed, the FIFO. Unpacks by the first bytes.
 *
 * gzip's own decoder is several times slower than zlib's, which zstd has where it was built with it. What follows the last
 * member may be padding of zeroes, as tapes have it, and nothing else: the rest behind a damaged header of a second member
 * is "trailing garbage" to the programs, and half an image would be a good one. gzip knows padding; zstd does not, so gzip is
 * asked about the file then. A download with padding cannot be read twice and is refused.
 */
export const unpackScript = `
as_is=$1 report=$2
exec 6>&1 >"$3" || exit 1
echo opened >&6
exec 6>&-
magic=$(dd bs=1 count=6 status=none | od -An -tx1 | tr -d ' \\n')
again() { printf "$(sed 's/../\\\\x&/g' <<<"$magic")"; exec cat; }
gunzip_by_zlib() {
  local said
  exec 5>&1
  said=$(again | zstd -dcq 2>&1 >&5; echo " \${PIPESTATUS[*]}")
  case $said in
    *' 0 0') exit 0 ;;
    *' 141') exit 141 ;;
    *'unsupported format'*' '[0-9]*' 1' | *'unknown header'*' '[0-9]*' 1')
      cat >/dev/null
      if [ -f /proc/self/fd/3 ]; then gzip -t </proc/self/fd/3 && exit 0; else echo 'padding or garbage behind the end' >&2; fi
      exit 1 ;;
    *) printf '%s\\n' "\${said% * *}" >&2; exit 1 ;;
  esac
}
packing=none
if [ "$as_is" != 1 ]; then
  case $magic in
    1f8b*) packing=gzip ;;
    425a68*) packing=bzip2 ;;
    fd377a585a00) packing=xz ;;
    # 5?2a4d18: a skippable frame, with which pzstd's files begin.
    28b52ffd* | 5?2a4d18*) packing=zstd ;;
  esac
fi
echo "$packing" >"$report"
case $packing in
  none) again ;;
  gzip)
    if zstd -vV 2>&1 | grep -q 'supports:.* gzip'; then gunzip_by_zlib; fi
    again | gzip -dc ;;
  # bzip2 says "trailing garbage" and ends with 0.
  bzip2)
    exec 5>&1
    said=$(again | bzip2 -dc 2>&1 >&5) || { code=$?; printf '%s\\n' "$said" >&2; exit "$code"; }
    case $said in *'trailing garbage'*) printf '%s\\n' "$said" >&2; exit 1 ;; esac ;;
  # Memory limits: a header may ask for gigabytes of window.
  xz) again | xz -dc --memlimit-decompress=1GiB ;;
  zstd) again | zstd -dcq --memory=1024MiB ;;
esac
`;

/**
 * Arguments: file for the head, its length, FIFO, what to print when the head is complete. stdin tells when the FIFO has
 * its writer, which may be gone again by now: a short stream is written and closed before anybody looks, and opening the FIFO
 * only for reading would then wait for ever. Opened for both first, it never waits, and the end is seen all the same.
 */
export const headScript = `
read -r _
exec 6<>"$3" && exec 7<"$3" 6>&- || exit 1
dd <&7 of="$1" bs=64K count="$2" iflag=fullblock,count_bytes status=none || exit 1
printf '%s\\n' "$4" >&2
`;

/**
 * For programs that take the rest of a stream. What they get of it (StreamInput): file with the head, FIFO with what
 * follows, and what to print once the FIFO is open – by then the end of the stream can be seen.
 */
export const streamFunctions = `
open_rest() { # FIFO, mark: to stdin
  exec <"$1" || exit 1
  printf '%s\\n' "$2" >&2
}
`;

/** Arguments: most bytes, input. Into descriptor 3; holes for zeroes. */
export const storeScript = `${streamFunctions}
file=/proc/self/fd/3
open_rest "$3" "$4"
dd if="$2" of="$file" bs=64K conv=sparse status=none || exit 1
from=$(stat -Lc %s "$file") || exit 1
if [ "$from" -gt "$1" ]; then exit 72; fi
dd of="$file" bs=64K count="$(($1 - from))" seek="$from" iflag=fullblock,count_bytes oflag=seek_bytes conv=sparse,notrunc status=none || exit 1
[ "$(head -c 1 | wc -c)" = 0 ] || exit 72
`;

/** Arguments: input. Prints the length. */
export const countScript = `${streamFunctions}
open_rest "$2" "$3"
from=$(stat -Lc %s "$1") && rest=$(wc -c) && echo $((from + rest))
`;
