/**
 * Colours by meaning; none where the output is no terminal. Of those that are legible on white and on black: yellow is not, nor is
 * bright black on every theme. No meaning hangs on a colour alone.
 */
export interface Paint {
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly strong: (text: string) => string;
}

const wrap =
  (code: number) =>
  (text: string): string =>
    text === '' ? '' : `\u001b[${code}m${text.replaceAll('\u001b', ' ')}\u001b[0m`;
const plain = (text: string): string => text;

export function paintFor(color: boolean): Paint {
  if (!color) return { good: plain, warn: plain, bad: plain, faint: plain, strong: plain };
  return { good: wrap(32), warn: wrap(35), bad: wrap(31), faint: wrap(2), strong: wrap(1) };
}
