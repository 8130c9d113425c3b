import { DriverError } from '../errors.ts';
import { rawByteAt } from './raw-text.ts';

const plain = /^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/;

/**
 * One word for a POSIX shell: whatever is in `value`, the shell sees exactly it. The only place where text becomes
 * shell syntax. Bytes that are not UTF-8 (see raw-text.ts) become `$'\xNN'`, which needs bash, ksh or zsh.
 *
 * Throws BAD_ARGUMENT for NUL, which no argument can carry.
 */
export function quote(value: string): string {
  if (plain.test(value)) return value;
  if (value.includes('\0'))
    throw new DriverError('BAD_ARGUMENT', 'a NUL character cannot be passed to a command');
  let word = "'";
  for (let index = 0; index < value.length; index += 1) {
    const raw = rawByteAt(value, index);
    if (raw !== undefined) word += `'$'\\x${raw.toString(16)}''`;
    else if (value[index] === "'") word += `'\\''`;
    else word += value[index];
  }
  return `${word}'`;
}

/** Words separated by blanks. */
export function quoteAll(values: readonly string[]): string {
  return values.map(quote).join(' ');
}
