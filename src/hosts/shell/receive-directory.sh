directory=$1 name=$2; shift 2
IFS= read -t 30 -r said || exit 79
state=80
case $said in
  none) ;;
  large) state=82 ;;
  there)
    if [ -n "$name" ] && sees "$(dirname -- "$directory")" "$name"; then
      state=81
      echo stop
    else
      echo send
      # Not in a condition: bash would ignore set -e in it, and half a directory would take the place of a whole one.
      unpack "$directory"
      code=$?
      if [ "$code" -ne 0 ]; then exit "$code"; fi
      state=0
    fi ;;
  *) exit 79 ;;
esac
if [ $# -gt 0 ]; then link_disks "$@" >&2; fi
exit "$state"
