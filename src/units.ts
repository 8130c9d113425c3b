/**
 * Sizes, branded so that one unit cannot be passed for another.
 *
 * OpenNebula speaks MiB ("MB" in its documents), LINSTOR's REST API speaks KiB, devices speak bytes
 * (linstor-behaviour §1.4).
 */

declare const unit: unique symbol;
export type MiB = number & { readonly [unit]: 'MiB' };
export type KiB = number & { readonly [unit]: 'KiB' };
export type Bytes = number & { readonly [unit]: 'bytes' };

export const mib = (n: number): MiB => n as MiB;
export const kib = (n: number): KiB => n as KiB;
export const bytes = (n: number): Bytes => n as Bytes;

export const mibToKib = (size: MiB): KiB => kib(size * 1024);
export const mibToBytes = (size: MiB): Bytes => bytes(size * 1024 * 1024);
export const kibToBytes = (size: KiB): Bytes => bytes(size * 1024);
/** Rounds up: a volume of the result always holds `size`. */
export const kibToMib = (size: KiB): MiB => mib(Math.ceil(size / 1024));
/** Rounds down: for free space, where promising a part of a MiB would be too much. */
export const kibToMibFloor = (size: KiB): MiB => mib(Math.floor(size / 1024));
/** Rounds up: a volume of the result always holds `size`. */
export const bytesToMib = (size: Bytes): MiB => mib(Math.ceil(size / (1024 * 1024)));
/** Rounds up. */
export const bytesToKib = (size: Bytes): KiB => kib(Math.ceil(size / 1024));

/** `1536 MiB` as `1.5 GiB`; for people, never for parsing. */
export function humanSize(size: Bytes): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value: number = size;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  const digits = value >= 100 || index === 0 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${units[index]}`;
}
