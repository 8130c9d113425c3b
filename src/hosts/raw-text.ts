/**
 * Text that may hold bytes which are not UTF-8 (file names of other systems). Such a byte `0xNN` (0x80…0xFF) stands
 * in a string as the lone surrogate U+DCNN – Python's "surrogateescape" – so that it survives until it becomes
 * bytes again. Ordinary text is unchanged by both functions.
 */

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

const isEscape = (unit: number): boolean => unit >= 0xdc80 && unit <= 0xdcff;
const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/** The escaped byte at `index` of `text`, or undefined for ordinary text (also inside a surrogate pair). */
export function rawByteAt(text: string, index: number): number | undefined {
  const unit = text.charCodeAt(index);
  if (!isEscape(unit)) return undefined;
  if (index > 0 && isHigh(text.charCodeAt(index - 1))) return undefined;
  return unit - 0xdc00;
}

export function hasRawBytes(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (rawByteAt(text, index) !== undefined) return true;
  }
  return false;
}

/** Length of the UTF-8 sequence that starts with `lead`; 1 for what starts none. */
function sequenceLength(lead: number): number {
  if (lead >= 0xf0) return 4;
  if (lead >= 0xe0) return 3;
  return lead >= 0xc0 ? 2 : 1;
}

function decodeOne(data: Uint8Array, at: number): { text: string; length: number } {
  const length = sequenceLength(data[at] ?? 0);
  try {
    return { text: strict.decode(data.subarray(at, at + length)), length };
  } catch {
    return { text: String.fromCharCode(0xdc00 + (data[at] ?? 0)), length: 1 };
  }
}

/** Bytes as text; each byte that is not UTF-8 becomes an escape. */
export function textOfBytes(data: Uint8Array): string {
  try {
    return strict.decode(data);
  } catch {
    let text = '';
    for (let at = 0; at < data.length; ) {
      const part = decodeOne(data, at);
      text += part.text;
      at += part.length;
    }
    return text;
  }
}

/** Text as bytes, escapes resolved: what to hand to the file system. */
export function bytesOfText(text: string): Uint8Array {
  if (!hasRawBytes(text)) return encoder.encode(text);
  const parts: number[] = [];
  let plain = '';
  for (let index = 0; index < text.length; index += 1) {
    const raw = rawByteAt(text, index);
    if (raw === undefined) {
      plain += text[index];
      continue;
    }
    parts.push(...encoder.encode(plain), raw);
    plain = '';
  }
  parts.push(...encoder.encode(plain));
  return Uint8Array.from(parts);
}
