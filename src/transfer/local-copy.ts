import { identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { memoryLimit } from './memory-limit.ts';
import localCopyText from './shell/local-copy.sh' with { type: 'text' };
import { zeroFunctions } from './wire.ts';

/**
 * Source and target on one machine: qemu-img does it, in parallel and with direct I/O where the storage can.
 *
 * Arguments: format, source, what it is (`-`: no volume), the names of a part of it (`partNames`; empty: all of it), device, what it is, bytes, reads zero (0/1), verify (0/1).
 * stdin stays open as long as somebody waits (pipeline.ts, holdStdin): without that, a conversion on another host would go on
 * after its action has ended. Progress is qemu-img's own, on stderr.
 */
export const localCopy = `${memoryLimit}${sizeFunctions}${identityFunctions}${zeroFunctions}\n${localCopyText}`;

/**
 * The first `bytes` of a raw device, and of a raw file, as names that qemu-img understands. LINSTOR's volumes may be larger
 * than asked for, so a source may be larger than its copy has to be.
 */
export function partNames(path: string, bytes: number): readonly [ofBlock: string, ofFile: string] {
  const name = (driver: string): string =>
    `json:${JSON.stringify({ driver: 'raw', size: bytes, file: { driver, filename: path } })}`;
  return [name('host_device'), name('file')];
}
