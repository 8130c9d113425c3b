import { widthOf } from '../../cli/table.ts';

/** A terminal's screen as an SVG: text stays text, and every piece stands in its column whatever font a browser takes. */

const cell = { width: 8.4, height: 18 } as const;
const margin = { x: 16, top: 52, bottom: 16 } as const;

/** What `src/cli/paint.ts` sets; numbers of SGR to classes. */
const classes: Readonly<Record<string, string>> = { 1: 'b', 2: 'f', 31: 'r', 32: 'g', 35: 'm' };

const style =
  'text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dde6;white-space:pre}' +
  '.b{font-weight:700;fill:#fff}.f{fill:#8b97a8}.r{fill:#ff7b82}.g{fill:#5fd38a}.m{fill:#d99aff}.c{fill:#8fc7ff}';

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

interface Piece {
  readonly column: number;
  readonly text: string;
  readonly name: string;
}

/** Pieces of one line by colour; blanks need not be drawn. */
export function piecesOf(line: string): Piece[] {
  const pieces: Piece[] = [];
  let name = '';
  let column = 0;
  for (const part of line.split(/(\u001b\[[\d;]*m)/)) {
    const code = /^\u001b\[([\d;]*)m$/.exec(part)?.[1];
    if (code !== undefined) name = classes[code] ?? '';
    else {
      for (const word of part.split(/( {2,})/)) {
        if (word.trim() !== '') pieces.push({ column, text: word, name });
        column += widthOf(word);
      }
    }
  }
  return pieces;
}

export function terminalSvg(command: string, screen: string, columns: number): string {
  const lines = screen.replaceAll('\r', '').trimEnd().split('\n');
  const width = Math.ceil(columns * cell.width + 2 * margin.x);
  const height = margin.top + lines.length * cell.height + margin.bottom;
  const at = (column: number): number => Math.round((margin.x + column * cell.width) * 10) / 10;
  const text = lines.flatMap((line, row) =>
    piecesOf(line).map(({ column, text: piece, name }) => {
      const y = margin.top + (row + 1) * cell.height - 5;
      return `<text x="${at(column)}" y="${y}"${name === '' ? '' : ` class="${name}"`}>${escapeXml(piece)}</text>`;
    }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(command)}">`,
    `<style>${style}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#151a21"/>`,
    `<path d="M0 36h${width}" stroke="#2b333f"/>`,
    '<circle cx="20" cy="18" r="5" fill="#3a4452"/><circle cx="38" cy="18" r="5" fill="#3a4452"/><circle cx="56" cy="18" r="5" fill="#3a4452"/>',
    `<text x="80" y="23" class="c">$ ${escapeXml(command)}</text>`,
    ...text,
    '</svg>',
    '',
  ].join('\n');
}

/** What stays the same from run to run: the words, without numbers, units, bars and their order. */
export function skeletonOf(svg: string): string[] {
  const texts = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text);
  // A lab lies in another directory each time.
  const named = texts.map((text) => text.replaceAll(/\/tmp\/\S+/g, ''));
  const words = named.flatMap((text) => text.match(/\p{L}[\p{L}_-]{2,}/gu) ?? []);
  return [...new Set(words.filter((word) => !/^(?:MiB|GiB|KiB|min)$/.test(word)))].sort();
}
