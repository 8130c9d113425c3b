for ((i = 1; i <= $#; i += 2)); do
  file=${!i}
  qemu-img check -q -f qcow2 "$file" >&2 || { echo "$file is damaged" >&2; exit 1; }
  qemu-img info -f qcow2 --output=json "$file" | tr -d '\n' || exit 1
  echo
  stat -c '%b %B' -- "$file" || exit 1
done
while [ $# -gt 0 ]; do
  mv -fT -- "$1" "$2" || exit 1
  shift 2
done
