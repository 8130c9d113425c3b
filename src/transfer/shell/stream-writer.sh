device=$1 wanted=$2 head=$3 position=0
open_rest "$4" "$5"
case $(kind_of "$device") in block|file) ;; *) exit 71 ;; esac
require_volume "$device" "$wanted"
capacity=$(size_of "$device") || exit 71

put() { # most bytes, then more options of dd; adds what came to the position
  local most=$1 said
  shift
  said=$(dd of="$device" bs=64K seek="$position" count="$most" iflag=fullblock,count_bytes oflag=seek_bytes conv=sparse,nocreat,notrunc "$@" 2>&1)
  if [ $? -ne 0 ]; then printf '%s
' "$said" >&2; exit 1; fi
  came=$(sed -n 's/^\([0-9][0-9]*\) bytes.*/\1/p' <<<"$said")
  position=$((position + came))
  printf '@%s/0
' "$position" >&2
}
if [ "$(stat -Lc %s "$head")" -gt "$capacity" ]; then exit 72; fi
put "$capacity" if="$head"
came=1
while [ "$came" -gt 0 ] && [ "$position" -lt "$capacity" ]; do
  put $((capacity - position < 268435456 ? capacity - position : 268435456))
done
if [ "$(head -c 1 | wc -c)" != 0 ]; then exit 72; fi
flush "$device" || exit 1
echo "$position"
