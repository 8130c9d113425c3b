directory=$1 count=$2; shift 2
skip=("${@:1:count}"); shift "$count"
cd -- "$directory" || exit 71
exclude=()
for name in "${skip[@]}"; do exclude+=("--exclude=./$name"); done
tar --create --sparse --anchored --no-wildcards "${exclude[@]}" --file=- . | "$@"
codes=("${PIPESTATUS[@]}")
if [ "${codes[1]}" -eq 255 ]; then exit 75; fi
if [ "${codes[1]}" -ne 0 ]; then exit "${codes[1]}"; fi
# 1: a file changed while it was read.
if [ "${codes[0]}" -gt 1 ]; then exit "${codes[0]}"; fi
exit 0
