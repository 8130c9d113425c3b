/** The signs of our texts where the locale has no UTF-8. Letters of others – names, messages – stay as they are. */

const plainSigns: Readonly<Record<string, string>> = {
  '“': '"',
  '”': '"',
  '„': '"',
  '‘': "'",
  '’': "'",
  '–': '-',
  '—': '-',
  '−': '-',
  '…': '...',
  '·': '.',
  '●': '*',
  '○': 'o',
  '•': '*',
  '→': '>',
  '←': '<',
  '×': 'x',
  '≥': '>=',
  '≤': '<=',
  '✓': '+',
  '✗': '!',
  '━': '=',
  '─': '-',
  '│': '|',
  '█': '#',
  '▉': '#',
  '▊': '#',
  '▋': '#',
  '▌': '+',
  '▍': '+',
  '▎': '+',
  '▏': '+',
  '░': '.',
};

const known = new RegExp(`[${Object.keys(plainSigns).join('')}]`, 'g');

/** The first of LC_ALL, LC_CTYPE and LANG that is set counts; without any it is the C locale. */
export function hasUtf8(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || 'C';
  return /utf-?8/i.test(locale);
}

/** A word that was cut keeps its width: tables are laid out by then. */
const cutWord = /(?<=[^\s="'(“‘])…/g;

export function plain(text: string): string {
  return text.replaceAll(cutWord, '~').replaceAll(known, (sign) => plainSigns[sign] ?? sign);
}
