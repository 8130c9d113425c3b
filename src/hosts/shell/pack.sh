directory=$1 name=$2 limit=$3; shift 3
[ -d "$directory" ] || { echo none; exit 0; }
cd -- "$directory" || exit 1
if [ "$limit" -gt 0 ] && [ "$(du -sm . 2>/dev/null | cut -f1)" -ge "$limit" ]; then echo large; exit 0; fi
if [ -n "$name" ]; then leave "$(dirname -- "$directory")" "$name" || exit 1; fi
echo there
read -t 30 -r answer || exit 79
[ "$answer" = send ] || exit 0
exclude=()
for name in "$@"; do exclude+=("--exclude=./$name"); done
tar --create --sparse --anchored --no-wildcards "${exclude[@]}" --file=- .
code=$?
# 1: a file changed while it was read; the logs of a running VM do.
[ "$code" -le 1 ] || exit "$code"
exit 0
