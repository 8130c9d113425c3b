import { sizeFunctions } from '../hosts/scripts/records.ts';

/**
 * How bytes get from one machine onto a device of another: constant bash programs for both ends, made of what every
 * host has (bash, dd, qemu-img, util-linux). Between them, in one stream:
 *
 *     D <offset> <length>\n<length bytes>      data, offsets ascending
 *     E <total>\n                              the end: the image is <total> bytes long
 *
 * What no D covers is zero. A stream without its E broke off, whatever the exit codes say.
 */

/** Unit of reading on the sending side; the most that is held in the chunk file. */
export const windowBytes = 64 * 1024 * 1024;

/**
 * Zeroes between two pieces of data up to this length are sent: a piece costs each side one more dd, about as much
 * as sending this.
 */
const gapBytes = 256 * 1024;

/** Longer data are sent in pieces of this length, to see the progress. */
const pieceBytes = 256 * 1024 * 1024;

/** Exit codes of the programs. */
export const wireCodes = {
  /** The target is no block device (and no file outside /dev). */
  noDevice: 71,
  /** The source is larger than the target. */
  tooLarge: 72,
  /** The stream ended before its end mark, or is none. */
  brokenStream: 73,
  /** What was read back differs from what came. */
  differs: 74,
  noSource: 75,
} as const;

/**
 * Arguments: mode, source, format, directory for the chunk file, total (0: as the source says).
 *
 * - stream: stdin is the raw image. Zeroes are found by writing it window by window into a sparse chunk file.
 * - extents: source is a raw file with holes; its data are read in place.
 * - windows: source is a raw file or a device without a map; like stream, but with a known length.
 * - image: source is in the given format; qemu-img converts window by window, only where the map shows data.
 *   The backing file is switched off once more (the header was checked before).
 *
 * Progress lines on stderr: `@<bytes done>/<total or 0>`.
 */
export const sender = `
mode=$1 source=$2 format=$3 directory=$4 total=$5
window=${windowBytes} gap=${gapBytes} piece=${pieceBytes}
progress() { printf '@%s/%s\\n' "$1" "$total" >&2; }

open_chunk() {
  local path
  path=$(mktemp "$directory/.linstor_un-chunk-XXXXXXXX") || exit 1
  exec 7<>"$path" && rm -f -- "$path" || exit 1
}
chunk=/proc/self/fd/7

# "offset length" of data in the JSON of qemu-img map: rounded out to 4 KiB, joined across small gaps.
data_ranges() {
  sed -n 's/.*"start": \\([0-9]*\\), "length": \\([0-9]*\\),.*"zero": false.*/\\1 \\2/p' |
    awk -v gap="$gap" -v piece="$piece" -v total="$1" '
      function flush() {
        if (to > total) to = total
        for (; to - from > piece; from += piece) printf "%.0f %.0f\\n", from, piece
        if (to > from) printf "%.0f %.0f\\n", from, to - from
      }
      { start = $1 - $1 % 4096; end = $1 + $2; if (end % 4096) end += 4096 - end % 4096
        if (NR > 1 && start <= to + gap) { if (end > to) to = end } else { flush(); from = start; to = end } }
      END { flush() }'
}

emit() { # base, path, offset, length
  local main=$(($4 / 1048576 * 1048576)) rest=$(($4 % 1048576))
  printf 'D %s %s\\n' "$(($1 + $3))" "$4"
  if [ "$main" -gt 0 ]; then
    dd if="$2" bs=1M iflag=skip_bytes,count_bytes,fullblock skip="$3" count="$main" status=none || exit
  fi
  if [ "$rest" -gt 0 ]; then
    dd if="$2" bs="$rest" iflag=skip_bytes,fullblock skip="$(($3 + main))" count=1 status=none || exit
  fi
}

emit_chunk() { # base, length: what is data in the chunk file
  local ranges start length
  ranges=$(qemu-img map --output=json -f raw "$chunk" | data_ranges "$2") || exit 1
  while read -r start length; do
    if [ -n "$start" ]; then emit "$1" "$chunk" "$start" "$length"; fi
  done <<<"$ranges"
}

# Lines on descriptor 8; the last one tells whether the map was complete.
open_map() { exec 8< <(qemu-img map --output=json -f "$format" "$source" | data_ranges "$total"; echo "end \${PIPESTATUS[*]}"); }
map_is_complete() { [ "$1 $2" = 'end 0 0' ]; }

send_extents() {
  local start length
  open_map
  while read -r start length <&8; do
    if [ "$start" = end ]; then map_is_complete "$start" "$length"; return; fi
    emit 0 "$source" "$start" "$length"
    progress $((start + length))
  done
  return 1
}

send_image() {
  local at=0 start length size
  open_map
  while read -r start length <&8; do
    if [ "$start" = end ]; then map_is_complete "$start" "$length"; return; fi
    # What an earlier window took with it is not sent again.
    if [ "$start" -gt "$at" ]; then at=$((start / 4096 * 4096)); fi
    while [ "$at" -lt $((start + length)) ]; do
      size=$((total - at < window ? total - at : window))
      qemu-img convert -O raw "json:{\\"driver\\":\\"raw\\",\\"offset\\":$at,\\"size\\":$size,\\"file\\":{\\"driver\\":\\"$format\\",$no_backing\\"file\\":{\\"driver\\":\\"file\\",\\"filename\\":\\"$source\\"}}}" "$chunk" || exit 1
      emit_chunk "$at" "$size"
      at=$((at + size)); progress "$at"
    done
  done
  return 1
}

send_stream() {
  local at=0 size
  while :; do
    dd of="$chunk" bs=64K count="$window" iflag=fullblock,count_bytes conv=sparse status=none || return 1
    size=$(stat -Lc %s "$chunk") || return 1
    if [ "$size" -gt 0 ]; then emit_chunk "$at" "$size"; fi
    at=$((at + size)); progress "$at"
    if [ "$size" -lt "$window" ]; then break; fi
  done
  total=$at
}

send_windows() {
  local at=0 size
  while [ "$at" -lt "$total" ]; do
    size=$((total - at < window ? total - at : window))
    # Direct reads take whole blocks only.
    if [ $((size % 4096)) -ne 0 ]; then direct=; fi
    dd if="$source" of="$chunk" ibs=1M obs=64K skip="$at" count="$size" iflag=fullblock,count_bytes,skip_bytes$direct conv=sparse status=none || return 1
    if [ "$(stat -Lc %s "$chunk")" != "$size" ]; then return ${wireCodes.noSource}; fi
    emit_chunk "$at" "$size"
    at=$((at + size)); progress "$at"
  done
}

direct=
no_backing=
case $format in qcow2) no_backing='"backing":null,' ;; esac
case $mode in
  stream) open_chunk; send_stream || exit ;;
  windows)
    if [ ! -b "$source" ] && [ ! -f "$source" ]; then exit ${wireCodes.noSource}; fi
    if dd if="$source" of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null; then direct=,direct; fi
    open_chunk; send_windows || exit ;;
  extents) send_extents || exit ;;
  image) open_chunk; send_image || exit ;;
  *) exit 2 ;;
esac
printf 'E %s\\n' "$total"
`;

/**
 * Shared by the programs that write. `BLKZEROOUT` (blkdiscard -z) promises zeroes, which a plain discard does not, and
 * leaves thin volumes thin where they can do it.
 */
export const zeroFunctions = `
zero_plain() { # device, offset, length
  dd if=/dev/zero of="$1" bs=1M count="$3" seek="$2" iflag=count_bytes,fullblock oflag=seek_bytes conv=nocreat,notrunc status=none
}
zero_range() { # device, offset, length
  local from=$2 to=$(($2 + $3)) low high
  if [ "$3" -le 0 ]; then return 0; fi
  low=$(((from + 4095) / 4096 * 4096)) high=$((to / 4096 * 4096))
  if [ "$low" -ge "$high" ]; then zero_plain "$1" "$from" "$3"; return; fi
  if [ "$low" -gt "$from" ]; then zero_plain "$1" "$from" $((low - from)) || return 1; fi
  if [ -b "$1" ]; then
    blkdiscard -z -o "$low" -l $((high - low)) "$1" 2>/dev/null || zero_plain "$1" "$low" $((high - low)) || return 1
  else
    fallocate -p -o "$low" -l $((high - low)) "$1" 2>/dev/null || zero_plain "$1" "$low" $((high - low)) || return 1
  fi
  if [ "$to" -gt "$high" ]; then zero_plain "$1" "$high" $((to - high)) || return 1; fi
}
flush() { dd if=/dev/null of="$1" conv=nocreat,notrunc,fsync status=none; }
can_direct() { dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null; }
`;

/**
 * Arguments: device, reads zero (0/1), verify (0/1), unpacking program (`-`: none). stdin is the stream. Prints `<total> <sha256 of what the device now
 * holds, in the form of the stream>` (`-` without verify).
 *
 * The device is never created (nocreat) and never larger than found. Where it is not known to read as zero, every
 * byte that is not data is zeroed: gaps between data, and the rest behind the image.
 */
export const receiver = `${sizeFunctions}${zeroFunctions}
device=$1 reads_zero=$2 verify=$3
# Whether the unpacking was complete is seen by the end mark.
if [ "$4" != - ]; then exec < <(exec "$4" -dc); fi
case $(kind_of "$device") in block|file) ;; *) exit ${wireCodes.noDevice} ;; esac
capacity=$(size_of "$device") || exit ${wireCodes.noDevice}
direct=
if can_direct "$device"; then direct=,direct; fi
position=0 offsets=() lengths=()

write() { # offset, length: that much of stdin
  local main=$(($2 / 4194304 * 4194304)) rest=$(($2 % 4194304)) how=$direct
  if [ "$main" -gt 0 ]; then
    dd of="$device" bs=4M count="$main" seek="$1" iflag=fullblock,count_bytes oflag=seek_bytes$direct conv=nocreat,notrunc status=none || return 1
  fi
  if [ "$rest" -gt 0 ]; then
    if [ $((rest % 4096)) -ne 0 ]; then how=; fi
    dd of="$device" bs="$rest" count=1 seek="$(($1 + main))" iflag=fullblock oflag=seek_bytes$how conv=nocreat,notrunc status=none || return 1
  fi
}
fill() { # up to: zero from the position to there
  if [ "$reads_zero" != 1 ]; then zero_range "$device" "$position" $(($1 - position)) || exit 1; fi
}
number() { case $1 in '' | *[!0-9]*) exit ${wireCodes.brokenStream} ;; esac }

total=
while read -r kind first second; do
  number "$first"
  case $kind in
    D)
      number "$second"
      if [ $((first + second)) -gt "$capacity" ]; then exit ${wireCodes.tooLarge}; fi
      if [ "$first" -lt "$position" ]; then exit ${wireCodes.brokenStream}; fi
      fill "$first"
      write "$first" "$second" || exit 1
      position=$((first + second))
      offsets+=("$first") lengths+=("$second")
      ;;
    E) total=$first; break ;;
    *) exit ${wireCodes.brokenStream} ;;
  esac
done
if [ -z "$total" ]; then exit ${wireCodes.brokenStream}; fi
if [ "$total" -gt "$capacity" ]; then exit ${wireCodes.tooLarge}; fi
fill "$capacity"
flush "$device" || exit 1

range() { # offset, length; direct reads take whole blocks only
  local whole=$(($2 / 4096 * 4096)) rest=$(($2 % 4096)) how=$direct
  if [ $(($1 % 4096)) -ne 0 ]; then how=; fi
  if [ "$whole" -gt 0 ]; then
    dd if="$device" bs=1M skip="$1" count="$whole" iflag=fullblock,skip_bytes,count_bytes$how status=none || return 1
  fi
  if [ "$rest" -gt 0 ]; then dd if="$device" bs="$rest" skip="$(($1 + whole))" count=1 iflag=fullblock,skip_bytes status=none; fi
}
read_back() {
  local i
  for i in "\${!offsets[@]}"; do
    printf 'D %s %s\\n' "\${offsets[i]}" "\${lengths[i]}"
    range "\${offsets[i]}" "\${lengths[i]}" || return 1
  done
  printf 'E %s\\n' "$total"
}
gaps_are_zero() {
  local i at=0 end
  offsets+=("$capacity") lengths+=(0)
  for i in "\${!offsets[@]}"; do
    end=\${offsets[i]}
    if [ "$end" -gt "$at" ]; then range "$at" $((end - at)) | cmp -s -n $((end - at)) - /dev/zero || return 1; fi
    at=$((end + lengths[i]))
  done
}
sum=-
if [ "$verify" = 1 ]; then
  sum=$(read_back | sha256sum) || exit 1
  sum=\${sum%% *}
  gaps_are_zero || exit ${wireCodes.differs}
fi
printf '%s %s\\n' "$total" "$sum"
`;
