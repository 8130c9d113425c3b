how=$1 device=$2 parent=$3 out=$4 directory= pid=
umask 077
case $(kind_of "$device") in block|file) ;; *) exit 71 ;; esac
size=$(size_of "$device") || exit 71
for tool in qemu-img qemu-io; do command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 73; }; done
exec 8<&0 </dev/null
finish() {
  trap '' HUP INT TERM
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; fi
  thin_release
  if [ -n "$directory" ]; then rm -rf -- "$directory"; fi
}
trap finish EXIT
trap 'exit 143' HUP INT TERM
directory=$(mktemp -d /var/tmp/.linstor_un-backup-XXXXXXXX) || exit 72
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
  full) watched qemu-img convert -p -t writeback "${direct[@]}" -f raw -O qcow2 "$device" "$out" >&2 || exit 1 ;;
  compare)
    overlay || exit 1
    watched qemu-img rebase -p -t writeback "${direct[@]}" -f qcow2 -F raw -b "$parent" "$out" >&2 || exit 1 ;;
  whole)
    overlay || exit 1
    keep <<<"0 $size" || exit 1 ;;
  thin)
    thin_ranges "$5" "$6" >"$directory/ranges" || exit 75
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
