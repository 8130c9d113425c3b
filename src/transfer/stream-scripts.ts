/** The programs of a stream (stream.ts); constant bash texts. */

/** Argument: 1 for "as it is". Unpacks by the first bytes and leaves in a file how it was packed. */
export const unpackScript = `
as_is=$1 report=$2
magic=$(dd bs=1 count=6 status=none | od -An -tx1 | tr -d ' \\n')
again() { printf "$(sed 's/../\\\\x&/g' <<<"$magic")"; exec cat; }
packing=none
if [ "$as_is" != 1 ]; then
  case $magic in
    1f8b*) packing=gzip ;;
    425a68*) packing=bzip2 ;;
    fd377a585a00) packing=xz ;;
    # 5?2a4d18: a skippable frame, with which pzstd's files begin.
    28b52ffd* | 5?2a4d18*) packing=zstd ;;
  esac
fi
echo "$packing" >"$report"
case $packing in
  none) again ;;
  # Not even a warning will do: what comes behind a damaged header of a second member is called "trailing garbage", and the
  # image would end in the middle. Zeroes behind the end, as tapes have them, cause no warning.
  gzip) again | gzip -dc ;;
  # bzip2 says it and ends with 0.
  bzip2)
    exec 4>&1
    said=$(again | bzip2 -dc 2>&1 >&4) || { code=$?; printf '%s\\n' "$said" >&2; exit "$code"; }
    case $said in *'trailing garbage'*) printf '%s\\n' "$said" >&2; exit 1 ;; esac ;;
  # Memory limits: a header may ask for gigabytes of window.
  xz) again | xz -dc --memlimit-decompress=1GiB ;;
  zstd) again | zstd -dcq --memory=1024MiB ;;
esac
`;

/** Arguments: file for the head, its length, FIFO, what to print when the head is complete. */
export const relayScript = `
dd of="$1" bs=64K count="$2" iflag=fullblock,count_bytes status=none || exit 1
printf '%s\\n' "$4" >&2
exec cat -- "$1" - >"$3"
`;

/** Arguments: most bytes. Into descriptor 3; holes for zeroes. */
export const storeScript = `
dd of=/proc/self/fd/3 bs=64K count="$1" iflag=fullblock,count_bytes conv=sparse status=none || exit 1
[ "$(head -c 1 | wc -c)" = 0 ] || exit 72
`;
