import { sizeFunctions } from '../hosts/scripts/records.ts';
import { zeroFunctions } from '../transfer/wire.ts';
import { thinFunctions } from './thin-script.ts';

/** Exit codes of the scripts. */
export const imageCodes = { noDevice: 71, noSpace: 72, noTool: 73, short: 74, noDelta: 75 } as const;

/**
 * One disk as a qcow2 file, made on the host that has the device; only the finished file travels.
 *
 * Arguments: how, device, device of the parent, file; with an empty file name the file is made in a private directory, sent to stdout behind a line
 * with its length, and removed. stdin stays open as long as somebody waits.
 *
 * `full`: a file of its own, in which nothing stands for zero. The others make an increment, which is laid over an older file later: there nothing
 * stands for “as before”, so that zeroes have to be in it.
 *
 * `compare`: clusters that differ between the two devices; qemu-img finds them when it moves a file from the one to the other.
 * `thin`: what a thin pool says has changed between its two snapshots, which are named instead of the parent's device; `noDelta` and a reason when it
 * cannot be asked, nothing having been written. `whole`: everything; the parent is lost. Read through copy-on-read, which keeps what was read, and zeroes as zero clusters.
 */
export const buildImage = `${sizeFunctions}${zeroFunctions}${thinFunctions}
how=$1 device=$2 parent=$3 out=$4 directory= pid=
umask 077
case $(kind_of "$device") in block|file) ;; *) exit ${imageCodes.noDevice} ;; esac
size=$(size_of "$device") || exit ${imageCodes.noDevice}
for tool in qemu-img qemu-io; do command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit ${imageCodes.noTool}; }; done
exec 8<&0 </dev/null
finish() {
  trap '' HUP INT TERM
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; fi
  thin_release
  if [ -n "$directory" ]; then rm -rf -- "$directory"; fi
}
trap finish EXIT
trap 'exit 143' HUP INT TERM
directory=$(mktemp -d /var/tmp/.linstor_un-backup-XXXXXXXX) || exit ${imageCodes.noSpace}
stream=
if [ -z "$out" ]; then out=$directory/image stream=1; fi
{ read -r _ <&8; kill -TERM $$; } >/dev/null 2>&1 &
watch=$!
disown "$watch"
watched() {
  "$@" <&0 8<&- &
  pid=$!
  wait "$pid"
  local code=$?
  pid=
  return "$code"
}
direct=()
if can_direct "$device" && { [ -z "$parent" ] || can_direct "$parent"; }; then direct=(-T none); fi
reads() { # lines "offset length" on stdin; as reads of whole clusters
  local offset length end step=262144
  while read -r offset length; do
    end=$((offset + length)) offset=$((offset / 65536 * 65536))
    if [ "$end" -gt "$size" ]; then end=$size; fi
    while [ "$offset" -lt "$end" ]; do
      length=$((end - offset))
      if [ "$length" -gt "$step" ]; then length=$step; fi
      echo "read -q $offset $length"
      offset=$((offset + length))
    done
  done
}
keep() { # the ranges on stdin become clusters of the file; a list that came short is a failure
  local reader code
  mkfifo -m 600 "$directory/reads" || return 1
  reads <&0 8<&- >"$directory/reads" &
  reader=$!
  watched qemu-io -C -t writeback -f qcow2 "$out" <"$directory/reads" > >(tail -c 300 >&2) 2>&1
  code=$?
  wait "$reader" && [ "$code" = 0 ]
}
overlay() { qemu-img create -q -f qcow2 -b "$device" -F raw "$out" >&2; }
case $how in
  full) watched qemu-img convert -p -t writeback "\${direct[@]}" -f raw -O qcow2 "$device" "$out" >&2 || exit 1 ;;
  compare)
    overlay || exit 1
    watched qemu-img rebase -p -t writeback "\${direct[@]}" -f qcow2 -F raw -b "$parent" "$out" >&2 || exit 1 ;;
  whole)
    overlay || exit 1
    keep <<<"0 $size" || exit 1 ;;
  thin)
    thin_ranges "$5" "$6" >"$directory/ranges" || exit ${imageCodes.noDelta}
    overlay || exit 1
    keep <"$directory/ranges" || exit 1 ;;
  *) exit 1 ;;
esac
if [ "$how" != full ]; then qemu-img rebase -u -f qcow2 -b '' "$out" >&2 || exit 1; fi
kill "$watch" 2>/dev/null
if [ -n "$stream" ]; then
  stat -c %s -- "$out" && cat -- "$out" || exit 1
else
  flush "$out" || exit 1
fi
echo "@content $size" >&2
`;

/** Arguments: file. Takes what `buildImage` sends; a file that came short is no file. */
export const receiveImage = `${zeroFunctions}
out=$1
umask 077
IFS= read -r length || exit ${imageCodes.short}
case $length in ''|*[!0-9]*) exit ${imageCodes.short} ;; esac
head -c "$length" >"$out" || exit ${imageCodes.noSpace}
if [ "$(stat -c %s -- "$out")" != "$length" ]; then exit ${imageCodes.short}; fi
flush "$out"
`;

/**
 * Arguments: for each file, what it is called and what it is to be called. Says of all of them what qemu-img says, one line of JSON and one with
 * the blocks that it takes; names them when all are good.
 */
export const finishImages = `
for ((i = 1; i <= $#; i += 2)); do
  file=\${!i}
  qemu-img check -q -f qcow2 "$file" >&2 || { echo "$file is damaged" >&2; exit 1; }
  qemu-img info -f qcow2 --output=json "$file" | tr -d '\\n' || exit 1
  echo
  stat -c '%b %B' -- "$file" || exit 1
done
while [ $# -gt 0 ]; do
  mv -fT -- "$1" "$2" || exit 1
  shift 2
done
`;
