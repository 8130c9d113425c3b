mode=$1 source=$2 wanted=$3 format=$4 chunks=$5 total=$6 verify=$7 limit=$8
shift 8
if [ "$wanted" != - ]; then require_volume "$source" "$wanted"; fi
window=67108864 gap=262144 most=16
chunk=/proc/self/fd/7 packed=/proc/self/fd/6
no_backing=
if [ "$format" = qcow2 ]; then no_backing='"backing":null,'; fi
progress() { printf '@%s/%s\n' "$1" "$2" >&2; }

# Files without a name: nothing remains, however this ends. Between the two steps the name says whose they are (staging.ts).
open_chunks() {
  local path
  path=$(mktemp "$chunks"XXXXXXXX) && exec 7<>"$path" && rm -f -- "$path" || exit 1
  path=$(mktemp "$chunks"XXXXXXXX) && exec 6<>"$path" && rm -f -- "$path" || exit 1
}

# From the JSON of qemu-img map: "offset length" of data, rounded out to 4 KiB, joined across small gaps, and cut
# at the borders of windows.
data_ranges() { # length of the whole
  sed -n 's/.*"start": \([0-9]*\), "length": \([0-9]*\),.*"zero": false.*/\1 \2/p' |
    awk -v gap="$gap" -v window="$window" -v total="$1" '
      function flush(  part) {
        if (to > total) to = total
        for (; from < to; from += part) {
          part = window - from % window
          if (part > to - from) part = to - from
          printf "%.0f %.0f\n", from, part
        }
      }
      { start = $1 - $1 % 4096; end = $1 + $2; if (end % 4096) end += 4096 - end % 4096
        if (NR > 1 && start <= to + gap) { if (end > to) to = end } else { flush(); from = start; to = end } }
      END { flush() }'
}

part_of() { # path, offset, length
  local main=$(($3 / 1048576 * 1048576)) rest=$(($3 % 1048576))
  if [ "$main" -gt 0 ]; then
    dd if="$1" bs=1M iflag=skip_bytes,count_bytes,fullblock skip="$2" count="$main" status=none || return
  fi
  if [ "$rest" -gt 0 ]; then
    dd if="$1" bs="$rest" iflag=skip_bytes,fullblock skip="$(($2 + main))" count=1 status=none
  fi
}

# The same, not faster than the limit allows: a second's worth, then as long a pause as it came too early.
sent=0
send_part() { # path, offset, length
  local at=$2 end=$(($2 + $3)) part due
  if [ "$limit" = 0 ]; then part_of "$1" "$2" "$3"; return; fi
  for (( ; at < end; at += part)); do
    part=$((end - at < limit ? end - at : limit))
    part_of "$1" "$at" "$part" || return
    sent=$((sent + part)) due=$((sent / limit - SECONDS))
    if [ "$due" -gt 0 ]; then sleep "$due"; fi
  done
}

send_packed() { # offset, length: the chunk file
  local length
  tar --create --sparse --dereference --absolute-names --format=gnu --file=- "$chunk" >"$packed" || exit
  length=$(stat -Lc %s "$packed") || exit
  printf 'T %s %s %s\n' "$1" "$2" "$length"
  send_part "$packed" 0 "$length" || exit
}

# Offset, length, path, offset in the path, then pairs of what is data (offsets in the path).
send_window() {
  local at=$1 size=$2 path=$3 base=$4 sum
  shift 4
  if [ $# -eq 0 ]; then return; fi
  if [ $# -gt $((2 * most)) ]; then
    if [ "$path" != "$chunk" ]; then fill_chunk "$path" "$base" "$size" || exit; fi
    send_packed "$at" "$size"
  else
    while [ $# -gt 0 ]; do
      printf 'D %s %s\n' "$((at + $1 - base))" "$2"
      send_part "$path" "$1" "$2" || exit
      shift 2
    done
  fi
  if [ "$verify" = 1 ]; then
    sum=$(part_of "$path" "$base" "$size" | sha256sum) || exit
    printf 'V %s %s %s\n' "$at" "$size" "${sum%% *}"
  fi
}

fill_chunk() { # path, offset, length
  dd if="$1" of="$chunk" ibs=1M obs=64K skip="$2" count="$3" iflag=fullblock,count_bytes,skip_bytes$direct conv=sparse status=none
}

send_chunk() { # offset, length
  local ranges
  ranges=$(qemu-img map --output=json -f raw "$chunk" | data_ranges "$2") || exit
  # shellcheck disable=SC2086 # numbers only: splitting is meant
  send_window "$1" "$2" "$chunk" 0 $ranges
}

# Lines on descriptor 8; the last one tells whether the map was complete.
open_map() { exec 8< <(qemu-img map --output=json -f "$format" "$source" | data_ranges "$total"; echo "end ${PIPESTATUS[*]}"); }
map_is_complete() { [ "$1 $2" = 'end 0 0' ]; }
size_at() { size=$((total - $1 < window ? total - $1 : window)); }

send_extents() {
  local start length at=0 size ranges=()
  open_map
  while read -r start length <&8; do
    if [ "$start" = end ] || [ $((start / window * window)) -ne "$at" ]; then
      size_at "$at"
      send_window "$at" "$size" "$source" "$at" "${ranges[@]}"
      progress $((at + size)) "$total"
      if [ "$start" = end ]; then map_is_complete "$start" "$length"; return; fi
      at=$((start / window * window)) ranges=()
    fi
    ranges+=("$start" "$length")
  done
  return 1
}

send_image() {
  local start length at last=-1 size
  open_map
  while read -r start length <&8; do
    if [ "$start" = end ]; then map_is_complete "$start" "$length"; return; fi
    at=$((start / window * window))
    if [ "$at" -eq "$last" ]; then continue; fi
    last=$at
    size_at "$at"
    qemu-img convert -O raw "json:{\"driver\":\"raw\",\"offset\":$at,\"size\":$size,\"file\":{\"driver\":\"$format\",$no_backing\"file\":{\"driver\":\"file\",\"filename\":\"$source\"}}}" "$chunk" || return
    send_chunk "$at" "$size"
    progress $((at + size)) "$total"
  done
  return 1
}

send_stream() { # head, FIFO, mark
  local at=0 size from
  open_rest "$2" "$3"
  dd if="$1" of="$chunk" bs=64K conv=sparse status=none || return
  from=$(stat -Lc %s "$chunk") || return
  while :; do
    dd of="$chunk" bs=64K count="$((window - from))" seek="$from" iflag=fullblock,count_bytes oflag=seek_bytes conv=sparse,notrunc status=none || return
    size=$(stat -Lc %s "$chunk") || return
    if [ "$size" -gt 0 ]; then send_chunk "$at" "$size"; fi
    at=$((at + size)) from=0
    progress "$at" 0
    # Here, and not at the other end: a decompression bomb of zeroes sends nothing for hours.
    if [ "$at" -gt "$total" ]; then return 72; fi
    if [ "$size" -lt "$window" ]; then break; fi
    : >"$chunk" || return
  done
  total=$at
}

send_windows() {
  local at=0 size
  if [ ! -b "$source" ] && [ ! -f "$source" ]; then return 75; fi
  if dd if="$source" of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null; then direct=,direct; fi
  while [ "$at" -lt "$total" ]; do
    size_at "$at"
    # Direct reads take whole blocks only.
    if [ $((size % 4096)) -ne 0 ]; then direct=; fi
    fill_chunk "$source" "$at" "$size" || return
    if [ "$(stat -Lc %s "$chunk")" != "$size" ]; then return 75; fi
    send_chunk "$at" "$size"
    at=$((at + size))
    progress "$at" "$total"
  done
}

direct=
open_chunks
case $mode in
  stream) send_stream "$@" || exit ;;
  windows) send_windows || exit ;;
  extents) send_extents || exit ;;
  image) send_image || exit ;;
  *) exit 2 ;;
esac
printf 'E %s\n' "$total"
