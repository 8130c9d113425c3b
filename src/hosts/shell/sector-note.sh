device=$1 wanted=$2
require_volume "$device" "$wanted"
hex() { dd if="$device" bs=4096 count=2 status=none | od -An -v -tx1 -j "$1" -N "$2" | tr -d ' \n'; }
if [ "$(hex 4096 8)" = 4546492050415254 ]; then exit; fi
if [ "$(hex 512 8)" = 4546492050415254 ]; then echo gpt; exit; fi
if [ "$(hex 510 2)" != 55aa ]; then exit; fi
entry=$(hex 446 16)
# Active or not, a type, a first sector, a length: a boot sector of a file system has other things there.
case $entry in
  00??????00* | 80??????00*) ;;
  00* | 80*) if [ "${entry:16:8}" != 00000000 ] && [ "${entry:24:8}" != 00000000 ]; then echo mbr; fi ;;
esac
