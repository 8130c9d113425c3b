mark=$1 input=$2; shift 2
exec 9<&0 </dev/null
if [ "$input" = hold ]; then exec <&9; fi
{ read -r _ <&9; kill -TERM 0; } >/dev/null 2>&1 &
watch=$!
disown
run() { # index, does the one before greet, then per stage: does it greet, count, words...
  local index=$1 greeted=$2 greets=$3 count=$4
  shift 4
  local words=("${@:1:count}")
  shift "$count"
  if [ $# -eq 0 ]; then
    if [ "$greeted" = 1 ]; then hear; fi
    "${words[@]}" 9<&-
    echo "$mark $index $?" >&2
  else
    {
      if [ "$greeted" = 1 ]; then hear; fi
      "${words[@]}" 9<&-
      echo "$mark $index $?" >&2
    } | run $((index + 1)) "$greets" "$@"
  fi
}
one() { # index, does it greet, words...
  local index=$1 greets=$2
  shift 2
  if [ "$greets" = 1 ]; then
    { "$@" 9<&-; echo "$mark $index $?" >&2; } | { hear && exec cat 9<&-; }
  else
    "$@" 9<&-
    echo "$mark $index $?" >&2
  fi
}
converse() { # two times: does it greet, count, words...; stdin is a pipe that nobody writes to
  local first=("$1" "${@:3:$2}")
  shift $(($2 + 2))
  local second=("$1" "${@:3:$2}")
  exec 6<&0 7>/proc/self/fd/0 </dev/null
  # Nobody else keeps an end open: either side sees the end of its input when the other is gone.
  { one 0 "${first[@]}"; } <&6 6<&- 7>&- | { one 1 "${second[@]}"; } >&7 6<&- 7>&- &
  exec 6<&- 7>&-
  wait
}
if [ "$input" = loop ]; then : | converse "$@"; else run 0 0 "$@"; fi
kill "$watch" 2>/dev/null
exit 0
