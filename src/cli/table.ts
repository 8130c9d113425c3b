/** Text laid out in columns of a screen; widths count what is seen, not the colour codes. */

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** May be cut when the line is too long for the screen; one column at least should. */
  readonly shrink?: boolean;
}

export const widthOf = (text: string): number => Bun.stringWidth(text);

/** Cut in the middle, where names of our objects differ least: `one-vm-…-disk-0`. */
export function cut(given: string, width: number): string {
  const text = onOneLine(given);
  if (widthOf(text) <= width) return text;
  if (width <= 1) return '…'.slice(0, width);
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}

/** A name must not begin a line of its own. */
const onOneLine = (text: string): string => text.replaceAll(/\s*[\r\n]\s*/g, ' ');

const gap = '  ';

/** `node2` before `node10`. */
export const natural = (left: string, right: string): number =>
  left.localeCompare(right, 'en', { numeric: true });

/** Lines without trailing blanks; an empty table gives none. Titles are left out when all are empty. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  if (rows.length === 0) return [];
  const titled = columns.some((column) => column.title !== '');
  const all = titled ? [columns.map((column) => column.title), ...rows] : rows;
  const widths = columns.map((_, index) => Math.max(...all.map((row) => widthOf(row[index] ?? ''))));
  const used = widths.reduce((sum, each) => sum + each, 0) + gap.length * (columns.length - 1);
  shrink(columns, widths, used - width);
  return all.map((row) =>
    columns
      .map((column, index) =>
        pad(cut(row[index] ?? '', widths[index] ?? 0), widths[index] ?? 0, column.align),
      )
      .join(gap)
      .trimEnd(),
  );
}

/** Takes what is too much from the widest columns that may shrink. */
function shrink(columns: readonly Column[], widths: number[], excess: number): void {
  for (let left = excess; left > 0; left -= 1) {
    const candidates = columns.map((column, index) => (column.shrink ? (widths[index] ?? 0) : 0));
    const widest = candidates.indexOf(Math.max(...candidates));
    if ((candidates[widest] ?? 0) <= 6) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

export function pad(text: string, width: number, align: Column['align'] = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? blanks + text : text + blanks;
}

/** `██████░░░░`: full eighths; any use at all shows. */
export function bar(share: number, width: number): string {
  const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
  const units = Math.max(0, Math.min(width * 8, Math.round(share * width * 8)));
  const shown = share > 0 ? Math.max(1, units) : 0;
  const full = Math.floor(shown / 8);
  const part = eighths[shown % 8] ?? '';
  return ('█'.repeat(full) + part).padEnd(width, '░');
}

/** Words into lines of at most `width`; a longer word stands alone. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line === '') line = word;
      else if (widthOf(line) + 1 + widthOf(word) <= width) line += ` ${word}`;
      else {
        lines.push(line);
        line = word;
      }
    }
    lines.push(line);
  }
  return lines;
}

/** `1.2 s`, `340 ms`, `2 min 5 s` */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
