datastores=$1; shift
targets=()
for link in "$@"; do
  if [ -L "$link" ]; then
    targets+=("$(readlink -f -- "$link")")
    report R 0 "$link" "$(readlink -- "$link")"
    rm -f -- "$link" || exit 74
  elif [ -e "$link" ]; then
    report N 0 "$link" ''; targets+=('')
  else
    targets+=('')
  fi
done
if [ -n "$datastores" ]; then use_of "$datastores" "${targets[@]}"; fi
