device=$1 wanted=$2 count=$3
require_volume "$device" "$wanted"
if [ ! -b "$device" ] && [ ! -f "$device" ]; then exit 71; fi
dd if="$device" bs=4096 count="$count" status=none | base64 -w 0
