require_volume "$2" "$3"
limit=()
if [ -n "$4" ]; then limit=("count=$4" iflag=count_bytes,fullblock); fi
dd if="$2" bs=4M status=none "${limit[@]}" | "$1"
