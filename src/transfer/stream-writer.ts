import { identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { streamFunctions } from './stream-scripts.ts';
import { wireCodes, zeroFunctions } from './wire.ts';

/** How much is written between two lines of progress. */
const stepBytes = 256 * 1024 * 1024;

/**
 * Arguments: device, what it is, input (StreamInput). Writes what is not zero: the device is known to read as zero, and never created.
 * Prints the image's length when all is on the disk. In pieces of 64 KiB, the smallest that thin pools allocate.
 */
export const streamWriter = `${sizeFunctions}${identityFunctions}${zeroFunctions}${streamFunctions}
device=$1 wanted=$2 head=$3 position=0
open_rest "$4" "$5"
case $(kind_of "$device") in block|file) ;; *) exit ${wireCodes.noDevice} ;; esac
require_volume "$device" "$wanted"
capacity=$(size_of "$device") || exit ${wireCodes.noDevice}

put() { # most bytes, then more options of dd; adds what came to the position
  local most=$1 said
  shift
  said=$(dd of="$device" bs=64K seek="$position" count="$most" iflag=fullblock,count_bytes oflag=seek_bytes conv=sparse,nocreat,notrunc "$@" 2>&1)
  if [ $? -ne 0 ]; then printf '%s\n' "$said" >&2; exit 1; fi
  came=$(sed -n 's/^\\([0-9][0-9]*\\) bytes.*/\\1/p' <<<"$said")
  position=$((position + came))
  printf '@%s/0\n' "$position" >&2
}
if [ "$(stat -Lc %s "$head")" -gt "$capacity" ]; then exit ${wireCodes.tooLarge}; fi
put "$capacity" if="$head"
came=1
while [ "$came" -gt 0 ] && [ "$position" -lt "$capacity" ]; do
  put $((capacity - position < ${stepBytes} ? capacity - position : ${stepBytes}))
done
if [ "$(head -c 1 | wc -c)" != 0 ]; then exit ${wireCodes.tooLarge}; fi
flush "$device" || exit 1
echo "$position"
`;
