import { parseArgs } from 'node:util';
import type { Cluster } from '../../cluster.ts';
import type { LabOne } from '../lab-one.ts';
import { OneRefusal, type OneState } from '../model.ts';
import type { Operation } from '../oned.ts';

/** One command of a person, `oneimage create …`, as the lab's oned carries it out. */

export interface Said {
  readonly text?: string;
  /** For the person at the lab, beside what OpenNebula's command would print. */
  readonly note?: string;
}

export interface OneCall {
  readonly cluster: Cluster;
  readonly one: LabOne;
  readonly state: OneState;
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

export interface OneCommand {
  /** `<image> <name>`: how many words there have to be, and what they are. */
  readonly words: string;
  readonly summary: string;
  /** Options that take a value; `d` and the like are their short names. */
  readonly values?: Readonly<Record<string, string | undefined>>;
  readonly flags?: readonly string[];
  readonly run: (call: OneCall) => Promise<Said> | Said;
}

/** Words and options as they were typed; throws OneRefusal for what the command does not know. */
export function readCall(command: OneCommand, argv: readonly string[]): Pick<OneCall, 'words' | 'options'> {
  const values = Object.entries(command.values ?? {}).map(
    ([name, short]) => [name, { type: 'string', ...(short === undefined ? {} : { short }) }] as const,
  );
  const flags = (command.flags ?? []).map((name) => [name, { type: 'boolean' }] as const);
  try {
    const { values: options, positionals } = parseArgs({
      args: [...argv],
      options: Object.fromEntries([...values, ...flags]),
      allowPositionals: true,
    });
    const wanted = command.words.split(' ').filter((word) => word.startsWith('<')).length;
    const most = command.words.includes('[') ? wanted + command.words.split('[').length - 1 : wanted;
    if (positionals.length < wanted || positionals.length > most)
      throw new OneRefusal(`this command takes ${command.words === '' ? 'no words' : command.words}`);
    return { words: positionals, options: options as OneCall['options'] };
  } catch (error) {
    if (error instanceof OneRefusal) throw error;
    throw new OneRefusal(error instanceof Error ? error.message : String(error));
  }
}

export const option = ({ options }: OneCall, name: string): string | undefined => {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
};

/** MiB, as OpenNebula's commands take it: `512`, `1G`, `512M`. */
export function mebibytes(text: string, what: string): number {
  const [, digits, unit = 'M'] = /^(\d+)([mMgGtT]?)[bB]?$/.exec(text) ?? [];
  const factor = { '': 1, M: 1, G: 1024, T: 1024 ** 2 }[unit.toUpperCase()];
  if (digits === undefined || factor === undefined) throw new OneRefusal(`${what} is not a size: “${text}”`);
  return Number(digits) * factor;
}

interface Named {
  readonly id: number;
  readonly name: string;
}

/** By id or by name, as OpenNebula's commands find objects. */
export function find<T extends Named>(list: readonly T[], word: string | undefined, kind: string): T {
  const found = /^\d+$/.test(word ?? '')
    ? list.find(({ id }) => id === Number(word))
    : list.find(({ name }) => name === word);
  if (!found) throw new OneRefusal(`there is no ${kind} “${word}”`);
  return found;
}

/** What oned would have told the person; a driver that failed is the end of the command. */
export function must<T extends Operation>(operation: T): T {
  if (!operation.ok) throw new OneRefusal(operation.error ?? `${operation.command} failed`);
  return operation;
}

/** Columns as wide as what is in them. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `NAME : value`, as `show` prints it. */
export function fields(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name.padEnd(15)}: ${value}\n`)
    .join('');
}
