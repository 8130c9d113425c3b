file=/proc/self/fd/3
open_rest "$3" "$4"
dd if="$2" of="$file" bs=64K conv=sparse status=none || exit 1
from=$(stat -Lc %s "$file") || exit 1
if [ "$from" -gt "$1" ]; then exit 72; fi
dd of="$file" bs=64K count="$(($1 - from))" seek="$from" iflag=fullblock,count_bytes oflag=seek_bytes conv=sparse,notrunc status=none || exit 1
[ "$(head -c 1 | wc -c)" = 0 ] || exit 72
