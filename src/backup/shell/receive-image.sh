out=$1
umask 077
IFS= read -r length || exit 74
case $length in ''|*[!0-9]*) exit 74 ;; esac
head -c "$length" >"$out" || exit 72
if [ "$(stat -c %s -- "$out")" != "$length" ]; then exit 74; fi
flush "$out"
