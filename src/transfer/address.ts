import { DriverError } from '../errors.ts';
import type { DestinationPolicy } from './destination.ts';

/** IMAGE/PATH when it is no local file. A tenant writes it: it may hold what an address needs, and nothing else. */

export type Address =
  | { readonly kind: 'http'; readonly url: URL }
  /** For OpenNebula's downloader.sh. */
  | { readonly kind: 'other'; readonly text: string };

/** Which addresses images may come from. */
export interface AddressPolicy extends DestinationPolicy {
  /** Those beside http and https that the operator has switched on, in lower case. */
  readonly schemes: readonly string[];
}

const scheme = /^([a-z][a-z0-9+.-]*):\/\//i;

export function isRemote(path: string): boolean {
  return scheme.test(path);
}

/** For messages: without the password and the query that an address may hold; both can be keys. */
export function shownPath(path: string): string {
  const cut = isRemote(path)
    ? path.replace(/^([^:]*:\/\/)[^/?#]*@/, '$1***@').replace(/\?[\s\S]*$/, '?***')
    : path;
  return JSON.stringify(cut.length > 300 ? `${cut.slice(0, 300)}…` : cut);
}

const longest = 8192;

/**
 * downloader.sh puts the address into a text that a shell evaluates, and splits it at blanks and colons: only characters that mean
 * nothing there, and no part that a program could take for an option.
 */
const harmless = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9._/@%+=:,-]+$/i;
const optionLike = /(?::\/\/|[@:,=])-/;

function refused(path: string, why: string, remedy?: string): DriverError {
  return new DriverError('IMAGE_SOURCE', `${shownPath(path)} ${why}`, remedy === undefined ? {} : { remedy });
}

function httpAddress(path: string): Address {
  // What curl and we could read differently.
  if (/[\u0000-\u0020\u007f\\]/.test(path)) throw refused(path, 'has characters that no address has');
  let url: URL;
  try {
    url = new URL(path);
  } catch {
    throw refused(path, 'is not an address');
  }
  url.hash = '';
  return { kind: 'http', url };
}

/** Throws IMAGE_SOURCE. */
export function parseAddress(path: string, { schemes }: Pick<AddressPolicy, 'schemes'>): Address {
  if (path.length > longest) throw refused(path, `is longer than ${longest} characters`);
  const name = scheme.exec(path)?.[1]?.toLowerCase() ?? '';
  if (name === 'http' || name === 'https') return httpAddress(path);
  if (!schemes.includes(name)) {
    throw refused(
      path,
      `has the scheme ${name}, which is not switched on`,
      `use http or https, or add ${name} to ALLOW_SCHEMES of the datastore (docs/hardening.md says what that opens)`,
    );
  }
  if (!harmless.test(path) || optionLike.test(path)) {
    throw refused(
      path,
      'has characters that are not allowed there',
      'behind the scheme there may be letters, digits and . _ - / @ % + = : , – and no part begins with “-”',
    );
  }
  return { kind: 'other', text: path };
}
