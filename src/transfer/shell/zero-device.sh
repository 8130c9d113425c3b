case $(kind_of "$1") in block|file) ;; *) exit 71 ;; esac
require_volume "$1" "$2"
capacity=$(size_of "$1") || exit 71
from=$3 block=$((($3 + 4095) / 4096 * 4096))
if [ "$block" -gt "$capacity" ]; then block=$capacity; fi
if [ "$from" -lt "$block" ] && dd if=/dev/zero of="$1" bs=512 count="$((block - from))" seek="$from" iflag=count_bytes,fullblock oflag=seek_bytes,direct conv=nocreat,notrunc status=none 2>/dev/null; then
  from=$block
fi
zero_range "$1" "$from" $((capacity - from)) && flush "$1"
