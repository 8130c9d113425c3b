import { hearFunction } from '../hosts/greeting.ts';
import { identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { memoryLimit } from './memory-limit.ts';
import nbdReceiverText from './shell/nbd-receiver.sh' with { type: 'text' };
import nbdSenderText from './shell/nbd-sender.sh' with { type: 'text' };
import { zeroFunctions } from './wire.ts';

/**
 * An image onto a device of another machine by NBD: there `qemu-nbd` serves the device on a socket of its own, here `qemu-img
 * convert` writes to it through ssh's forwarding. Both come with the package of qemu-img. Zeroes and holes are found on this
 * side, in whatever format the source is; requests overlap, and nothing lies in between.
 *
 * The connection is one of its own: a ControlMaster would keep the forwarding after our session has ended, and an image would block
 * what else it carries.
 */

/** A socket's path may have 107 bytes; every host has /tmp. */
export const socketDirectory = (): string => `/tmp/.linstor_un-nbd-${crypto.randomUUID()}`;

/**
 * Arguments: device, what it is, reads zero (0/1), bytes of the image, directory for the socket. Says `ready` when the device is served, and waits for `go`,
 * which means that all is written; the end of stdin instead means that nobody waits any more. Prints the image's length when
 * all is on the disk. The device is never created.
 */
export const nbdReceiver = `${memoryLimit}${sizeFunctions}${identityFunctions}${zeroFunctions}\n${nbdReceiverText}`;

/**
 * Arguments: format, source, what it is (`-`: no volume), source as a part (a JSON name, or empty), reads zero (0/1), bytes a second (0: no limit), the
 * receiver's directory, then the words that start the receiver: ssh, its options, host and command. stdin stays open as long
 * as somebody waits (pipeline.ts, holdStdin).
 *
 * `noBridge` means that nothing was written: no qemu-nbd there, or the site's ssh forwards nothing.
 *
 * Of the ciphers that the site allows, AES-GCM is taken first where this processor has instructions for it: half the time.
 */
export const nbdSender = `${memoryLimit}${hearFunction}${identityFunctions}${zeroFunctions}\n${nbdSenderText}`;
