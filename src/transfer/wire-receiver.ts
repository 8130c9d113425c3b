import { identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { memoryLimit } from './memory-limit.ts';
import wireReceiverText from './shell/wire-receiver.sh' with { type: 'text' };
import { zeroFunctions } from './wire.ts';

/**
 * Arguments: device, what it is, reads zero (0/1), verify (0/1), unpacking program (`-`: none). stdin is the stream. Prints the
 * image's length when all is written, flushed and (verify) read back.
 *
 * The device is never created (nocreat) and never larger than found. Where it is not known to read as zero, every
 * byte that is not data is zeroed: gaps between data, and the rest behind the image.
 */
export const receiver = `${memoryLimit}${sizeFunctions}${identityFunctions}${zeroFunctions}\n${wireReceiverText}`;
