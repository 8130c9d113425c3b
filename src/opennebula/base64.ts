import { DriverError } from '../errors.ts';
import { textOfBytes } from '../hosts/raw-text.ts';

/**
 * Text of a base64 message; white space in it is ignored (some code paths of OpenNebula wrap lines, contract
 * §1.2). Bytes that are no UTF-8, as in names of files, stay what they are (raw-text.ts). Throws BAD_MESSAGE.
 */
export function decodeBase64(text: string, what: string): string {
  const bytes = bytesOf(text);
  if (bytes === undefined || bytes.length === 0) {
    throw new DriverError('BAD_MESSAGE', `the ${what} is neither XML nor base64`);
  }
  return textOfBytes(bytes);
}

/** Text as one line of base64. */
export function encodeBase64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}

/** Lines of 60 characters, each with a line break: the form of `vm.xml` in a backup (contract §4.3). */
export function encodeBase64Lines(text: string): string {
  return encodeBase64(text).replaceAll(/.{1,60}/g, '$&\n');
}

/** XML of a message that came as base64 or, from some callers, as it is. */
export function xmlOfMessage(text: string, what: string): string {
  // A byte order mark counts as white space.
  const trimmed = text.trimStart();
  return trimmed.startsWith('<') ? trimmed : decodeBase64(trimmed, what);
}

/**
 * Undefined for what is no base64, with all of its padding. Not by Node's Buffer: the first touch of it costs a start more than
 * the decoding (docs/performance.md).
 */
function bytesOf(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' });
  } catch {
    return undefined;
  }
}
