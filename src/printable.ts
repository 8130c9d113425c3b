/**
 * Text of others – names, messages of LINSTOR and of hosts – for a terminal or a line of a log: nothing in it moves the cursor, sets
 * colours, begins a line of its own, or turns the direction of what follows.
 */
const characters =
  '\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff\\ufff9-\\ufffb';
const unprintable =
  /[\s\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]+/g;

/** One line. */
export function printable(text: string): string {
  return text.toWellFormed().replaceAll(unprintable, ' ').trim();
}

const inLines = new RegExp(`[${characters}]`, 'g');

/** Several lines, as they are. */
export function printableLines(text: string): string {
  return text.toWellFormed().replaceAll(inLines, ' ');
}

/** What `paint.ts` sets: colours by their numbers, and nothing else that begins with an escape. */
const inColour = new RegExp(`(\u001b\\[(?:0|1|2|31|32|35)m)|[${characters}]`, 'g');

/** A screen of ours, with its colours. */
export function printableScreen(text: string): string {
  return text.toWellFormed().replaceAll(inColour, (_, colour: string | undefined) => colour ?? ' ');
}

const inJson = new RegExp(`[${characters.replace('\\u0000-\\u0009\\u000b-\\u001f', '')}]`, 'g');

/** JSON that means the same. */
export function printableJson(text: string): string {
  return text.replaceAll(inJson, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
