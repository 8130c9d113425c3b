import { flushFunction } from '../hosts/scripts/records.ts';

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
export const zeroFunctions = `${flushFunction}zero_plain() { # device, offset, length
  dd if=/dev/zero of="$1" bs=1M count="$3" seek="$2" iflag=count_bytes,fullblock oflag=seek_bytes conv=nocreat,notrunc status=none
}
zero_range() { # device, offset, length
  local from=$2 to=$(($2 + $3)) low high
  if [ "$3" -le 0 ]; then return 0; fi
  low=$(((from + 4095) / 4096 * 4096)) high=$((to / 4096 * 4096))
  if [ "$low" -ge "$high" ]; then zero_plain "$1" "$from" "$3"; return; fi
  if [ "$low" -gt "$from" ]; then zero_plain "$1" "$from" $((low - from)) || return 1; fi
  if [ -b "$1" ]; then
    blkdiscard -z -o "$low" -l $((high - low)) "$1" 2>/dev/null || zero_plain "$1" "$low" $((high - low)) || return 1
  else
    fallocate -p -o "$low" -l $((high - low)) "$1" 2>/dev/null || zero_plain "$1" "$low" $((high - low)) || return 1
  fi
  if [ "$to" -gt "$high" ]; then zero_plain "$1" "$high" $((to - high)) || return 1; fi
}
can_direct() { dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null; }
`;
