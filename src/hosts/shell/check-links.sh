while [ $# -gt 0 ]; do
  link=$1 resource=$2 target= present=0 found= note=; shift 2
  if [ -L "$link" ]; then target=$(readlink -- "$link"); fi
  case $(kind_of "$link") in
    block|file) size=$(size_of "$link") && [ "$size" -gt 0 ] && present=1 ;;
  esac
  if [ "$present" = 1 ]; then found=$(found_volume "${target:-$link}" "$resource" 0); fi
  if [ -e "${link%/*}/.growing-$resource" ]; then note=growing; fi
  if [ -e "${link%/*}/.restoring-$resource" ]; then note=restoring; fi
  if [ -e "${link%/*}/.reverting-$resource" ]; then note=reverting; fi
  printf '%s\0%s\0%s\0%s\0' "$target" "$present" "$found" "$note"
done
exit 0
