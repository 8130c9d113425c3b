device=$1 wanted=$2 reads_zero=$3 verify=$4
# Whether the unpacking was complete is seen by the end mark.
if [ "$5" != - ]; then exec < <(exec "$5" -dc); fi
case $(kind_of "$device") in block|file) ;; *) exit 71 ;; esac
require_volume "$device" "$wanted"
capacity=$(size_of "$device") || exit 71
direct=
if can_direct "$device"; then direct=,direct; fi
position=0 starts=() lengths=() sums=()

write_plain() { # offset, length: that much of stdin
  local main=$(($2 / 4194304 * 4194304)) rest=$(($2 % 4194304)) how=$direct
  if [ "$main" -gt 0 ]; then
    dd of="$device" bs=4M count="$main" seek="$1" iflag=fullblock,count_bytes oflag=seek_bytes$direct conv=nocreat,notrunc status=none || return 1
  fi
  if [ "$rest" -gt 0 ]; then
    if [ $((rest % 4096)) -ne 0 ]; then how=; fi
    dd of="$device" bs="$rest" count=1 seek="$(($1 + main))" iflag=fullblock oflag=seek_bytes$how conv=nocreat,notrunc status=none || return 1
  fi
}
write_packed() { # offset, packed length: that much of stdin
  if [ "$reads_zero" = 1 ]; then
    dd bs=64K count="$2" iflag=fullblock,count_bytes status=none | tar --extract --to-stdout --file=- |
      dd of="$device" bs=64K seek="$1" iflag=fullblock oflag=seek_bytes conv=sparse,nocreat,notrunc status=none
  else
    dd bs=64K count="$2" iflag=fullblock,count_bytes status=none | tar --extract --to-stdout --file=- |
      dd of="$device" bs=1M seek="$1" iflag=fullblock oflag=seek_bytes conv=nocreat,notrunc status=none
  fi
}
fill() { # up to: zero from the position to there
  if [ "$reads_zero" != 1 ]; then zero_range "$device" "$position" $(($1 - position)) || exit 1; fi
}
number() { case $1 in '' | *[!0-9]*) exit 73 ;; esac }

total=
while read -r kind first second third; do
  number "$first"
  if [ "$kind" = E ]; then total=$first; break; fi
  number "$second"
  if [ $((first + second)) -gt "$capacity" ]; then exit 72; fi
  case $kind in
    D | T)
      if [ "$first" -lt "$position" ]; then exit 73; fi
      fill "$first"
      if [ "$kind" = D ]; then write_plain "$first" "$second" || exit 1
      else number "$third"; write_packed "$first" "$third" || exit 1
      fi
      position=$((first + second)) ;;
    V) starts+=("$first") lengths+=("$second") sums+=("$third") ;;
    *) exit 73 ;;
  esac
done
if [ -z "$total" ]; then exit 73; fi
if [ "$total" -gt "$capacity" ]; then exit 72; fi
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
zero_between() { # from, to
  if [ "$2" -gt "$1" ]; then range "$1" $(($2 - $1)) | cmp -s -n $(($2 - $1)) - /dev/zero; fi
}
if [ "$verify" = 1 ]; then
  at=0
  for i in "${!starts[@]}"; do
    zero_between "$at" "${starts[i]}" || exit 74
    sum=$(range "${starts[i]}" "${lengths[i]}" | sha256sum) || exit 1
    if [ "${sum%% *}" != "${sums[i]}" ]; then exit 74; fi
    at=$((starts[i] + lengths[i]))
  done
  zero_between "$at" "$capacity" || exit 74
fi
echo "$total"
