/**
 * Text of others – names, messages of LINSTOR and of hosts – for a terminal or a line of a log: nothing in it moves the cursor, sets
 * colours, begins a line of its own, or turns the direction of what follows.
 */
const unprintable =
  /[\s\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]+/g;

/** One line. */
export function printable(text: string): string {
  return text.toWellFormed().replaceAll(unprintable, ' ').trim();
}
