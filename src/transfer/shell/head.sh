read -r _
exec 6<>"$3" && exec 7<"$3" 6>&- || exit 1
dd <&7 of="$1" bs=64K count="$2" iflag=fullblock,count_bytes status=none || exit 1
printf '%s\n' "$4" >&2
