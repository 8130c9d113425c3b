IFS= read -t 30 -r said || exit 79
case $said in
  'marked '*) if sees "${said#marked }" "$1"; then exit 81; fi ;;
  nothing) ;;
  *) exit 79 ;;
esac
rm -rf --one-file-system -- "$2" || exit 1
exit 0
