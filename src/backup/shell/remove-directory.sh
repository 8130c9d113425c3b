case $1 in /*/backup) ;; *) echo "$1 is not a backup directory" >&2; exit 1 ;; esac
rm -rf --one-file-system -- "$1" || exit 1
if [ -n "$2" ]; then rmdir -- "$2" 2>/dev/null; fi
exit 0
