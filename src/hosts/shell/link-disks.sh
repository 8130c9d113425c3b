sector_of() { # path: bytes of a sector as the device counts
  local numbers size=512
  if [ -b "$1" ] && numbers=$(stat -Lc '%t:%T' -- "$1"); then
    numbers=$((16#${numbers%:*})):$((16#${numbers#*:}))
    { read -r size <"/sys/dev/block/$numbers/queue/logical_block_size"; } 2>/dev/null
  fi
  echo "$size"
}
look() { # minimum wanted candidates... -> chosen, size, state
  local minimum=$1 wanted=$2 path; shift 2
  chosen= size=0 state=missing
  for path in "$@"; do
    case $(kind_of "$path") in
      block|file) ;;
      stray) state=stray chosen=$path; return ;;
      *) continue ;;
    esac
    # Another volume's number, from before udev and LINSTOR have caught up.
    if ! is_volume "$path" "$wanted"; then state=alien chosen=$path; continue; fi
    size=$(size_of "$path") || continue
    chosen=$path
    if [ "$size" -ge "$minimum" ]; then state=ok; return; fi
    state=small; return
  done
}
link_disks() {
  local wait_s=$1 links=() found=() sizes=() pauses=(0.05 0.05 0.1 0.1 0.2 0.3 0.5) attempt=0
  local link minimum wanted count candidates i chosen size state
  shift
  SECONDS=0
  while [ $# -gt 0 ]; do
    link=$1 minimum=$2 wanted=$3 count=$4; shift 4
    candidates=("${@:1:count}"); shift "$count"
    while :; do
      look "$minimum" "$wanted" "${candidates[@]}"
      if [ "$state" = ok ] || [ "$state" = stray ] || [ "$SECONDS" -ge "$wait_s" ]; then break; fi
      sleep "${pauses[attempt]:-0.5}"
      attempt=$((attempt + 1))
    done
    case $state in
      ok) ;;
      small) printf '%s\0%s\0' "$chosen" "$size"; exit 72 ;;
      alien) printf '%s\0%s\0' "$chosen" "$alien"; exit 77 ;;
      stray) printf '%s\0%s\0' "$chosen" "$size"; exit 74 ;;
      *) printf '%s\0%s\0' "${candidates[0]-}" 0; exit 71 ;;
    esac
    links+=("$link") found+=("$chosen") sizes+=("$size")
  done
  for i in "${!found[@]}"; do
    if [ -n "${links[i]}" ]; then
      mkdir -p -- "$(dirname -- "${links[i]}")" && ln -sfnT -- "${found[i]}" "${links[i]}" ||
        { printf '%s\0%s\0' "${links[i]}" 0; exit 73; }
    fi
  done
  for i in "${!found[@]}"; do printf '%s\0%s\0%s\0' "${found[i]}" "${sizes[i]}" "$(sector_of "${found[i]}")"; done
}
