import type { CommandHelp } from '../docs/commands.ts';

/** Manual pages from what `--help` prints: one for the program, one for each command. */
export function manPages(
  overview: string,
  commands: readonly CommandHelp[],
  version: string,
): Map<string, string> {
  const pages = new Map([
    [
      'linstor_un.1',
      page(
        'linstor_un',
        overview,
        version,
        commands.map(({ name }) => name),
      ),
    ],
  ]);
  for (const { name, help } of commands) {
    const title = `linstor_un-${name.replaceAll(' ', '-')}`;
    pages.set(`${title}.1`, page(title, help, version, []));
  }
  return pages;
}

function page(title: string, help: string, version: string, below: readonly string[]): string {
  const [summary = '', ...rest] = help.trim().split('\n');
  const lines = [
    `.TH ${title.toUpperCase()} 1 "" "linstor_un ${version}" "User Commands"`,
    '.SH NAME',
    `${title} \\- ${roff(summary.replace(/^linstor_un \S+ – /, ''))}`,
  ];
  for (const line of rest) {
    const heading = /^(EXIT CODES|[A-Z]{4,})(?:: | |$)(.*)$/.exec(line);
    if (heading) {
      const [, name = '', text = ''] = heading;
      lines.push(`.SH ${standardNames[name] ?? name}`);
      if (text !== '') lines.push(roff(text));
    } else if (line.trim() !== '') lines.push('.br', roff(line.replace(/^ {2}/, '')));
  }
  const see = below.map((name) => `.BR linstor_un-${name.replaceAll(' ', '-')} (1)`);
  return `${[...lines, ...(see.length > 0 ? ['.SH SEE ALSO', ...see] : [])].join('\n')}\n`;
}

/** Of manual pages. */
const standardNames: Readonly<Record<string, string>> = { USAGE: 'SYNOPSIS', 'EXIT CODES': 'EXIT STATUS' };

/** Text for troff: no line of it is a request, and dashes stay dashes. */
function roff(text: string): string {
  const safe = text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}
