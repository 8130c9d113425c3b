format=$1 source=$2 source_is=$3 of_block=$4 of_file=$5
device=$6 device_is=$7 total=$8 reads_zero=$9 verify=${10} part=
case $(kind_of "$device") in block|file) ;; *) exit 71 ;; esac
if [ ! -b "$source" ] && [ ! -f "$source" ]; then exit 75; fi
require_volume "$device" "$device_is"
if [ "$source_is" != - ]; then require_volume "$source" "$source_is"; fi
if [ -n "$of_block" ]; then
  length=$(size_of "$source") || exit 75
  if [ "$length" -lt "$total" ]; then exit 75; fi
  if [ "$length" -gt "$total" ]; then
    if [ -b "$source" ]; then part=$of_block; else part=$of_file; fi
  fi
fi
capacity=$(size_of "$device") || exit 71
if [ "$total" -gt "$capacity" ]; then exit 72; fi

pid=
watched() { # a command, ended when stdin ends
  local watch code
  "$@" </dev/null &
  pid=$!
  { read -r _; kill -TERM "$pid"; } <&0 >/dev/null 2>&1 &
  watch=$!
  wait "$pid"
  code=$?
  kill "$watch" 2>/dev/null
  return "$code"
}

# 'unsafe', the default, never flushes.
options=(-n -W -m 8 -t writeback)
compare=()
if can_direct "$device"; then options+=(-t none); fi
if [ -b "$source" ] && can_direct "$source"; then options+=(-T none); fi
if can_direct "$source" && can_direct "$device"; then compare=(-T none); fi
if [ "$reads_zero" = 1 ] && qemu-img convert --help 2>/dev/null | grep -q -- --target-is-zero; then
  options+=(--target-is-zero)
fi
if [ -n "$part" ]; then name=$part; else name=$source; fi
if [ -n "$part" ]; then formats=(); else formats=(-f "$format"); fi
watched qemu-img convert -p "${options[@]}" "${formats[@]}" -O raw "$name" "$device" >&2 || exit 1
if [ "$reads_zero" != 1 ]; then zero_range "$device" "$total" $((capacity - total)) || exit 1; fi
flush "$device" || exit 1
if [ "$verify" = 1 ]; then
  # 1: they differ. The longer one must be zero at its end.
  watched qemu-img compare "${compare[@]}" "${formats[@]}" -F raw "$name" "$device" >&2
  case $? in 0) ;; 1) exit 74 ;; *) exit 1 ;; esac
fi
