import type { ArgsDef, CommandDef } from 'citty';
import type { Context } from '../context.ts';
import { printableJson } from '../printable.ts';
import type { Terminal } from './terminal.ts';

/** The outside of an operator's command, handed to `run` as `data`; a test passes another. */
export interface CliEnvironment {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** This program's file: what `install` installs. */
  readonly executable: string;
  readonly version: string;
  now(): Date;
  /** The effects. Throws BAD_CONFIG for a broken linstor_un.conf, unless told to do without it. */
  context(options?: { withoutConfig?: boolean }): Promise<Context>;
}

/** One subcommand: a citty definition whose `run` resolves with the exit code, and examples for its help. */
export interface OperatorCommand {
  readonly name: string;
  readonly summary: string;
  readonly definition: CommandDef<ArgsDef>;
  readonly args: ArgsDef;
  readonly exitCodes: readonly ExitCode[];
  /** Command line without the program's name, and what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[];
}

export type ExitCode = readonly [code: number, meaning: string];

/** Where a command says nothing else. */
const usualCodes: readonly ExitCode[] = [
  [0, 'done'],
  [1, 'failed; the reason is on stderr'],
];

type Run<T extends ArgsDef> = (
  args: Parameters<NonNullable<CommandDef<T>['run']>>[0]['args'],
  environment: CliEnvironment,
) => Promise<number> | number;

/** Ties a definition together; `run` gets its arguments with their types and the environment. */
export function operatorCommand<const T extends ArgsDef>(command: {
  readonly name: string;
  readonly summary: string;
  readonly args: T;
  readonly examples: OperatorCommand['examples'];
  /** Where 0 and 1 mean something else than done and failed. */
  readonly exitCodes?: readonly ExitCode[];
  readonly run: Run<T>;
}): OperatorCommand {
  const definition: CommandDef<T> = {
    meta: { name: `linstor_un ${command.name}`, description: command.summary },
    args: command.args,
    run: ({ args, data }) => command.run(args, data as CliEnvironment),
  };
  return {
    name: command.name,
    summary: command.summary,
    exitCodes: command.exitCodes ?? usualCodes,
    definition: definition as unknown as CommandDef<ArgsDef>,
    args: command.args,
    examples: command.examples,
  };
}

/** The one JSON document on stdout. */
export function printJson(environment: CliEnvironment, value: unknown): void {
  environment.terminal.data(`${printableJson(JSON.stringify(value, null, 2))}\n`);
}
