if leave "$1" "$2"; then printf 'marked %s\n' "$marked"; else echo nothing; fi
while read -r _; do :; done
exit 0
