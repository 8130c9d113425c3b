for path in "$@"; do
  case $(kind_of "$path") in block|file) size=$(size_of "$path") || size= ;; *) size= ;; esac
  printf '%s\0' "$size"
done
