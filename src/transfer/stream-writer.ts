import { identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { memoryLimit } from './memory-limit.ts';
import streamWriterText from './shell/stream-writer.sh' with { type: 'text' };
import { streamFunctions } from './stream-scripts.ts';
import { zeroFunctions } from './wire.ts';

/**
 * Arguments: device, what it is, input (StreamInput). Writes what is not zero: the device is known to read as zero, and never created.
 * Prints the image's length when all is on the disk. In pieces of 64 KiB, the smallest that thin pools allocate.
 */
export const streamWriter = `${memoryLimit}${sizeFunctions}${identityFunctions}${zeroFunctions}${streamFunctions}\n${streamWriterText}`;
