ulimit -v "$1" && ulimit -t "$2" || exit 70
exec qemu-img "$3" --output=json -f "$4" "$5"
