import { memoryLimit } from './memory-limit.ts';
import countText from './shell/count.sh' with { type: 'text' };
import headText from './shell/head.sh' with { type: 'text' };
import openStreamText from './shell/open-stream.sh' with { type: 'text' };
import storeText from './shell/store.sh' with { type: 'text' };
import unpackStreamText from './shell/unpack-stream.sh' with { type: 'text' };
/** The programs of a stream (stream.ts); constant bash texts. Between them is a FIFO: no program only passes bytes on. */

/**
 * Arguments: 1 for "as it is", a file for how it was packed, the FIFO. Unpacks by the first bytes.
 *
 * gzip's own decoder is several times slower than zlib's, which zstd has where it was built with it. What follows the last
 * member may be padding of zeroes, as tapes have it, or a trailer, as OpenWrt's images have it. It must not be the rest behind a damaged
 * header of a second member: that is "trailing garbage" to the programs too, and half an image would be a good one. So the file
 * is looked at: where its one member ends, and what stands there. A download cannot be read twice and is refused.
 */
export const unpackScript = `${memoryLimit}${unpackStreamText}`;

/**
 * Arguments: file for the head, its length, FIFO, what to print when the head is complete. stdin tells when the FIFO has
 * its writer, which may be gone again by now: a short stream is written and closed before anybody looks, and opening the FIFO
 * only for reading would then wait for ever. Opened for both first, it never waits, and the end is seen all the same.
 */
export const headScript = `${memoryLimit}${headText}`;

/**
 * For programs that take the rest of a stream. What they get of it (StreamInput): file with the head, FIFO with what
 * follows, and what to print once the FIFO is open – by then the end of the stream can be seen.
 */
export const streamFunctions = `\n${openStreamText}`;

/** Arguments: most bytes, input. Into descriptor 3; holes for zeroes. */
export const storeScript = `${memoryLimit}${streamFunctions}\n${storeText}`;

/** Arguments: input. Prints the length. */
export const countScript = `${memoryLimit}${streamFunctions}\n${countText}`;
