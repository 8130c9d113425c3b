count=$1; shift
for path in "${@:1:count}"; do
  if [ -x "$path" ] && [ ! -d "$path" ]; then
    shift "$count"
    exec "$path" "$@"
  fi
done
exit 121
