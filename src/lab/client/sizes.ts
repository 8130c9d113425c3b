import { UsageError } from './arguments.ts';

/** Bytes per unit; the words are case-insensitive, K, M, G, T, P alone are binary (linstor-behaviour §1.4). */
const units: Readonly<Record<string, bigint>> = {
  B: 1n,
  S: 512n,
  K: 1024n,
  KB: 1000n,
  KIB: 1024n,
  M: 1024n ** 2n,
  MB: 1000n ** 2n,
  MIB: 1024n ** 2n,
  G: 1024n ** 3n,
  GB: 1000n ** 3n,
  GIB: 1024n ** 3n,
  T: 1024n ** 4n,
  TB: 1000n ** 4n,
  TIB: 1024n ** 4n,
  P: 1024n ** 5n,
  PB: 1000n ** 5n,
  PIB: 1024n ** 5n,
};

const known = 'B, S, K, kB, KiB, M, MB, MiB, G, GB, GiB, T, TB, TiB, P, PB, PiB';

/** KiB, rounded up; no unit means GiB. Throws UsageError with the real client's text. */
export function parseSize(text: string): number {
  const [, digits, unit = ''] = /^(\d+)(.*)$/.exec(text) ?? [];
  if (digits === undefined) throw new UsageError('Size is not a valid number\n');
  const factor = units[(unit === '' ? 'GiB' : unit).toUpperCase()];
  if (factor === undefined) throw new UsageError(`"${unit}" is not a valid unit!\nValid units: ${known}\n`);
  return Number((BigInt(digits) * factor + 1023n) / 1024n);
}

/** As the client's tables show KiB: `64 MiB`, `1.50 GiB`. */
export function showSize(kib: number): string {
  const names = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = kib;
  let index = 0;
  while (value >= 1024 && index < names.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(2)} ${names[index]}`;
}
