what=$1 wanted=$2; shift 2
while [ $# -gt 0 ]; do
  note=${1%/*}/.$what-$2; shift 2
  if [ "$wanted" = yes ]; then : >"$note" || exit; else rm -f -- "$note" || exit; fi
done
