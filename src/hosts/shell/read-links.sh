for path in "$@"; do
  if [ -L "$path" ]; then printf '%s\0' "$(readlink -- "$path")"; else printf '\0'; fi
done
