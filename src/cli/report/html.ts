import { printableLines } from '../../printable.ts';

/** Markup, as opposed to text: made by `html` alone, so that text of others cannot become a part of it. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Markup | readonly (Markup | undefined)[] | undefined;

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For element content and quoted attributes, in HTML and in SVG. */
export function escapeText(text: string): string {
  return printableLines(text).replaceAll(/[&<>"']/g, (each) => entities[each] ?? '');
}

/** Everything that is put in is escaped, unless it is markup. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  let text = strings[0] ?? '';
  for (const [index, part] of parts.entries()) text += toText(part) + (strings[index + 1] ?? '');
  return new Markup(text);
}

function toText(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.flatMap((each) => each?.text ?? []).join('\n');
  return escapeText(String(part));
}
