import { identityFunctions } from '../hosts/scripts/identity.ts';
import { memoryLimit } from './memory-limit.ts';
import wireSenderText from './shell/wire-sender.sh' with { type: 'text' };
import { streamFunctions } from './stream-scripts.ts';

/**
 * Arguments: mode, source, what it is (`-`: no volume), format, path that the chunk files' names begin with, total (stream: the most that is taken), verify (0/1), bytes a
 * second (0: no limit), and for a stream its input (StreamInput).
 *
 * - stream: the raw image. Zeroes are found by writing it window by window into a sparse chunk file.
 * - extents: source is a raw file with holes; its data are read in place.
 * - windows: source is a raw file or a device without a map; like stream, but with a known length.
 * - image: source is in the given format; qemu-img converts window by window, only where the map shows data.
 *   The backing file is switched off once more (the header was checked before).
 *
 * Progress lines on stderr: `@<bytes done>/<total or 0>`.
 */
export const sender = `${memoryLimit}${identityFunctions}${streamFunctions}\n${wireSenderText}`;
