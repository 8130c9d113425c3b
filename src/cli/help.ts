import type { ArgsDef } from 'citty';
import type { OperatorCommand } from './command.ts';
import { type Paint, paintFor } from './paint.ts';
import { pad, widthOf, wrapText } from './table.ts';

/** The help texts, wrapped at the width of whoever reads them. */

export interface Page {
  readonly columns: number;
  readonly color: boolean;
}

export type Entry = readonly [left: string, right: string];

const indent = '  ';
/** With less room than this beside the names, what is said of them goes below. */
const leastRoom = 24;

/** Names, and beside them what they mean; continued lines stand below their beginning. */
export function entryLines(entries: readonly Entry[], columns: number, paint: Paint): string[] {
  const longest = Math.max(0, ...entries.map(([left]) => widthOf(left)));
  const room = columns - longest - 2 * indent.length;
  if (room < leastRoom)
    return entries.flatMap(([left, right]) => [
      ...commandLines(left, columns - 2).map((line) => indent + paint.strong(line)),
      ...wrapText(right, columns - 6).map((line) => `      ${line}`),
    ]);
  return entries.flatMap(([left, right]) =>
    wrapText(right, room).map((line, index) =>
      `${indent}${index === 0 ? paint.strong(left) + pad('', longest - widthOf(left)) : pad('', longest)}${indent}${line}`.trimEnd(),
    ),
  );
}

/** A command that is longer than the line can still be pasted. */
function commandLines(text: string, width: number): string[] {
  if (widthOf(text) <= width) return [text];
  const lines = wrapText(text, width - 4);
  return lines.map(
    (line, index) => `${index === 0 ? '' : '  '}${line}${index < lines.length - 1 ? ' \\' : ''}`,
  );
}

export interface Section {
  readonly title: string;
  readonly entries: readonly Entry[];
}

/** A summary, the usage, and sections that are not empty. */
export function helpPage(
  {
    summary,
    usage,
    sections,
    closing,
  }: { summary: string; usage: string; sections: readonly Section[]; closing?: string },
  { columns, color }: Page,
): string {
  const paint = paintFor(color);
  const blocks = [
    wrapText(summary, columns),
    hanging(`${paint.strong('USAGE')} `, usage, columns),
    ...sections
      .filter(({ entries }) => entries.length > 0)
      .map(({ title, entries }) => [paint.strong(title), '', ...entryLines(entries, columns, paint)]),
    ...(closing === undefined ? [] : [wrapText(closing, columns)]),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function hanging(title: string, text: string, columns: number): string[] {
  const width = widthOf(title);
  return wrapText(text, columns - width).map((line, index) => (index === 0 ? title : pad('', width)) + line);
}

export function commandHelp(command: OperatorCommand, page: Page): string {
  const { name, summary, args, examples, exitCodes } = command;
  const usage = [
    `linstor_un ${name}`,
    ...(Object.keys(args).length > 0 ? ['[OPTIONS]'] : []),
    ...Object.entries(args).flatMap(([key, def]) =>
      def.type === 'positional' ? [required(def) ? `<${key.toUpperCase()}>` : `[${key.toUpperCase()}]`] : [],
    ),
  ].join(' ');
  const sections = [
    { title: 'ARGUMENTS', entries: entriesOf(args, true) },
    { title: 'OPTIONS', entries: entriesOf(args, false) },
    { title: 'EXIT CODES', entries: exitCodes.map(([code, meaning]): Entry => [String(code), meaning]) },
    { title: 'EXAMPLES', entries: examples.map(([line, does]): Entry => [`linstor_un ${line}`, does]) },
  ];
  return helpPage({ summary, usage, sections }, page);
}

type Argument = ArgsDef[string];

const required = (def: Argument): boolean => def.required !== false && def.default === undefined;

function entriesOf(args: ArgsDef, positional: boolean): Entry[] {
  return Object.entries(args)
    .filter(([, def]) => (def.type === 'positional') === positional)
    .map(([key, def]) => [positional ? key.toUpperCase() : optionText(key, def), meaningOf(def)]);
}

function optionText(key: string, def: Argument): string {
  const aliases = [('alias' in def ? def.alias : undefined) ?? []].flat().map((each) => `-${each}`);
  const hint = def.type === 'string' ? ` ${def.valueHint ?? key.toUpperCase()}` : '';
  return [...aliases, `--${key}`].join(', ') + hint;
}

function meaningOf(def: Argument): string {
  const given = def.default === undefined ? '' : ` (default: ${String(def.default)})`;
  return `${def.description ?? ''}${given}`;
}
