IFS= read -t 30 -r said || exit 79
case $said in 'marked '*) if sees "${said#marked }" "$1"; then exit 81; fi ;; esac
exit 0
