headers=$1 pause=$2
shift 2
address="url = \"$LINSTOR_UN_ADDRESS\""
unset LINSTOR_UN_ADDRESS
for try in 1 2 3 4; do
  rm -f -- "$headers"
  curl --dump-header "$headers" "$@" --config - <<<"$address" 2>"$headers.said"
  code=$? status=
  if [ -e "$headers" ]; then
    while read -r protocol number _; do case $protocol in HTTP/*) status=$number ;; esac; done <"$headers"
  fi
  case $code/$status in
    */2??) break ;;
    22/408 | 22/429 | 22/500 | 22/50[234]) ;;
    5/* | 6/* | 7/* | 28/* | 35/* | 52/* | 55/* | 56/*) ;;
    *) break ;;
  esac
  if [ "$try" -lt 4 ]; then sleep "$pause"; fi
done
# Of several attempts, what the last one said.
cat -- "$headers.said" >&2
# Too many redirections, of none: where to is decided elsewhere.
if [ "$code" = 47 ]; then sed -n 's/^[Ll]ocation:[[:blank:]]*/@location /p' "$headers" | tr -d '\r' | tail -n 1 >&2; fi
exit "$code"
