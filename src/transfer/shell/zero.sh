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
can_direct() { dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null; }
