import { DriverError } from '../errors.ts';

const rate = /^(\d+(?:\.\d+)?)([KMGT]?)$/i;
const powers = ['', 'K', 'M', 'G', 'T'] as const;

/**
 * LIMIT_TRANSFER_BW in bytes a second, at least 1: a number with K, M, G or T, each 1024 of the one before, as curl has it.
 * Undefined where none is given. Throws BAD_ATTRIBUTE.
 */
export function bandwidth(text: string | undefined): number | undefined {
  const limit = text?.trim();
  if (!limit) return undefined;
  const [, number, unit = ''] = rate.exec(limit) ?? [];
  if (number === undefined) {
    throw new DriverError(
      'BAD_ATTRIBUTE',
      `LIMIT_TRANSFER_BW=${JSON.stringify(limit)} is not a rate such as 10M`,
    );
  }
  const power = powers.indexOf(unit.toUpperCase() as (typeof powers)[number]);
  return Math.max(1, Math.floor(Number(number) * 1024 ** power));
}
