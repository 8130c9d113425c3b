import { flushFunction } from '../hosts/scripts/records.ts';
import zeroText from './shell/zero.sh' with { type: 'text' };

/**
 * How bytes get from one machine onto a device of another: constant bash programs for both ends (wire-sender.ts,
 * wire-receiver.ts), made of what every host has – bash, dd, tar, qemu-img, util-linux. Between them, in one stream,
 * offsets ascending:
 *
 *     D <offset> <length>\n<length bytes>              data
 *     T <offset> <length> <packed>\n<packed bytes>     a window with many holes, as a sparse tar of <length> bytes
 *     V <offset> <length> <sha256>\n                   the window's content; only when it is to be verified
 *     E <total>\n                                      the end: the image is <total> bytes long
 *
 * What is not covered is zero. A stream without its E broke off, whatever the exit codes say.
 *
 * Why not one dd with conv=sparse: it sends every zero. Why not one D for every piece of data: a dd costs milliseconds,
 * and a fragmented image has thousands of pieces.
 */

/** Unit of work; the most that is held in a chunk file. */
export const windowBytes = 64 * 1024 * 1024;

/** Zeroes between two pieces of data up to this length are sent: about as dear as another piece. */
export const gapBytes = 256 * 1024;

/** A window with more pieces of data goes as one tar: about as dear as so many pieces. */
export const mostPieces = 16;

/** Exit codes of the programs. */
export const wireCodes = {
  /** The target is no block device (and no file outside /dev). */
  noDevice: 71,
  /** The source is larger than the target. */
  tooLarge: 72,
  /** The stream ended before its end mark, or is none. */
  brokenStream: 73,
  /** What was read back differs from what came. */
  differs: 74,
  noSource: 75,
  /** There is no way for NBD between the two (nbd-scripts.ts); nothing was written. */
  noBridge: 76,
} as const;

/**
 * Shared by the programs that write. `BLKZEROOUT` (blkdiscard -z) promises zeroes, which a plain discard does not, and
 * leaves thin volumes thin where they can do it.
 */
export const zeroFunctions = `${flushFunction}${zeroText}`;
