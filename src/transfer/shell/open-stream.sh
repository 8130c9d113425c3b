open_rest() { # FIFO, mark: to stdin
  exec <"$1" || exit 1
  printf '%s\n' "$2" >&2
}
