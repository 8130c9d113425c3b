import { DriverError } from '../errors.ts';

/**
 * Text of a base64 message; white space in it is ignored (some code paths of OpenNebula wrap lines, contract
 * §1.2). Bytes that are no UTF-8 become U+FFFD. Throws BAD_MESSAGE.
 */
export function decodeBase64(text: string, what: string): string {
  const packed = text.replaceAll(/\s+/g, '');
  if (!isBase64(packed)) {
    throw new DriverError('BAD_MESSAGE', `the ${what} is neither XML nor base64`);
  }
  return Buffer.from(packed, 'base64').toString('utf8');
}

/** Text as one line of base64. */
export function encodeBase64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

/** Lines of 60 characters, each with a line break: the form of `vm.xml` in a backup (contract §4.3). */
export function encodeBase64Lines(text: string): string {
  return encodeBase64(text).replaceAll(/.{1,60}/g, '$&\n');
}

/** XML of a message that came as base64 or, from some callers, as it is. */
export function xmlOfMessage(text: string, what: string): string {
  const trimmed = text.replace(/^[\s\ufeff]+/, '');
  return trimmed.startsWith('<') ? trimmed : decodeBase64(trimmed, what);
}

function isBase64(packed: string): boolean {
  return packed.length > 0 && packed.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(packed);
}
