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
    28b52ffd*) packing=zstd ;;
  esac
fi
echo "$packing" >"$report"
case $packing in
  none) again ;;
  # 2: only a warning (padding behind the end, as tapes have it).
  gzip) again | gzip -dc; codes="\${PIPESTATUS[*]}"; case $codes in '0 0' | '0 2') exit 0 ;; *' 141') exit 141 ;; *) exit 1 ;; esac ;;
  bzip2) again | bzip2 -dc ;;
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
