out=$1 total=
number() { case $1 in '' | *[!0-9]*) exit 73 ;; esac }
while read -r kind first second third; do
  number "$first"
  if [ "$kind" = E ]; then total=$first; break; fi
  number "$second"
  case $kind in
    D)
      dd of="$out" bs=64K count="$second" seek="$first" iflag=fullblock,count_bytes oflag=seek_bytes conv=sparse,nocreat,notrunc status=none || exit 72 ;;
    T)
      number "$third"
      dd bs=64K count="$third" iflag=fullblock,count_bytes status=none | tar --extract --to-stdout --file=- |
        dd of="$out" bs=64K seek="$first" iflag=fullblock oflag=seek_bytes conv=sparse,nocreat,notrunc status=none || exit 72 ;;
    *) exit 73 ;;
  esac
done
# Without its end the stream was cut off.
if [ -z "$total" ]; then exit 73; fi
truncate -s "$total" -- "$out" || exit 72
echo "$total"
