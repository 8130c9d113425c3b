import { sizeFunctions } from '../hosts/scripts/records.ts';
import { zeroFunctions } from '../transfer/wire.ts';
import buildImageText from './shell/build-image.sh' with { type: 'text' };
import finishImagesText from './shell/finish-images.sh' with { type: 'text' };
import receiveImageText from './shell/receive-image.sh' with { type: 'text' };
import { thinFunctions } from './thin-script.ts';

/** Exit codes of the scripts. */
export const imageCodes = { noDevice: 71, noSpace: 72, noTool: 73, short: 74, noDelta: 75 } as const;

/**
 * One disk as a qcow2 file, made on the host that has the device; only the finished file travels.
 *
 * Arguments: how, device, device of the parent, file; with an empty file name the file is made in a private directory, sent to stdout behind a line
 * with its length, and removed. stdin stays open as long as somebody waits.
 *
 * `full`: a file of its own, in which nothing stands for zero. The others make an increment, which is laid over an older file later: there nothing
 * stands for “as before”, so that zeroes have to be in it.
 *
 * `compare`: clusters that differ between the two devices; qemu-img finds them when it moves a file from the one to the other.
 * `thin`: what a thin pool says has changed between its two snapshots, which are named instead of the parent's device; `noDelta` and a reason when it
 * cannot be asked, nothing having been written. `whole`: everything; the parent is lost. Read through copy-on-read, which keeps what was read, and zeroes as zero clusters.
 */
export const buildImage = `${sizeFunctions}${zeroFunctions}${thinFunctions}\n${buildImageText}`;

/** Arguments: file. Takes what `buildImage` sends; a file that came short is no file. */
export const receiveImage = `${zeroFunctions}\n${receiveImageText}`;

/**
 * Arguments: for each file, what it is called and what it is to be called. Says of all of them what qemu-img says, one line of JSON and one with
 * the blocks that it takes; names them when all are good.
 */
export const finishImages = `\n${finishImagesText}`;
