import { isDigits } from '../../digits.ts';
import { DriverError } from '../../errors.ts';
import { type Bytes, bytes } from '../../units.ts';
import flushText from '../shell/flush.sh' with { type: 'text' };
import sizeText from '../shell/size.sh' with { type: 'text' };

/**
 * What our scripts print: fields ended by NUL, because paths may hold anything else. A script prints records of a
 * fixed number of fields.
 */
export function records(stdout: string, fields: number): string[][] {
  const all = stdout.split('\0');
  // A complete output ends with NUL and so with one empty rest.
  all.pop();
  const rows: string[][] = [];
  for (let at = 0; at + fields <= all.length; at += fields) rows.push(all.slice(at, at + fields));
  return rows;
}

/** What is no number compares as neither too small nor too large. */
export function sizeSaid(host: string, said: string): Bytes {
  if (isDigits(said, 15)) return bytes(Number(said));
  throw new DriverError(
    'HOST_COMMAND',
    `${host} says ${JSON.stringify(said.slice(0, 80))} where the size of a device is asked`,
  );
}

/** Shared by scripts; constant text. Sizes come from sysfs: opening a DRBD device would promote it. */
export const sizeFunctions = `\n${sizeText}`;

/**
 * Through a descriptor that is open for writing: one that only reads does not promote a Secondary DRBD device, which then
 * answers the flush with EIO. `sync FILE` opens for reading.
 */
export const flushFunction = `\n${flushText}`;
