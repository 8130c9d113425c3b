device=$1 wanted=$2 reads_zero=$3 total=$4 directory=$5 server=
case $(kind_of "$device") in block|file) ;; *) exit 71 ;; esac
require_volume "$device" "$wanted"
capacity=$(size_of "$device") || exit 71
if [ "$total" -gt "$capacity" ]; then exit 72; fi
command -v qemu-nbd >/dev/null || exit 76
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null; wait "$server"; server=; fi
  rm -rf -- "$directory"
}
trap finish EXIT
trap 'exit 73' HUP INT TERM
mkdir -m 700 -- "$directory" || exit 76
cache=writeback
if can_direct "$device"; then cache=none; fi
qemu-nbd --format=raw --cache="$cache" --discard=unmap --persistent --shared=1 --socket="$directory/nbd" "$device" </dev/null >&2 &
server=$!
for pause in 0.01 0.01 0.02 0.05 0.1 0.2 0.5 1 2 5; do
  if [ -S "$directory/nbd" ]; then break; fi
  kill -0 "$server" 2>/dev/null || exit 76
  sleep "$pause"
done
[ -S "$directory/nbd" ] || exit 76
echo ready
word=
read -r word
finish
if [ "$word" != go ]; then exit 73; fi
if [ "$reads_zero" != 1 ]; then zero_range "$device" "$total" $((capacity - total)) || exit 1; fi
flush "$device" || exit 1
echo "$total"
