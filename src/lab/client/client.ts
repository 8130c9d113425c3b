import { readFileSync } from 'node:fs';
import { Answering, exitCode, type Mode, type Output } from './answering.ts';
import { HelpRequest, type ParsedArguments, parseArguments, UsageError, usageOf } from './arguments.ts';
import { type CommandSpec, syntaxOf } from './command.ts';
import { clientConfig } from './config.ts';
import { ConnectionError, Controller, type Fetch, ReplyError, TimeoutError } from './controller.ts';
import { findCommand, globalOptions, helpText, topLevel } from './grammar.ts';

/** The version whose behaviour is kept (recordings/linstor). */
export const clientVersion = '1.27.0';

export interface ClientOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: the global one. */
  readonly fetch?: Fetch;
  /** Between two questions about a clone. Default 1000. */
  readonly pollMs?: number;
}

export interface ClientResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The `linstor` command line client's face: same arguments, same output, same exit codes (linstor-behaviour §4),
 * speaking REST to the controllers that it is told.
 */
export async function runClient(argv: readonly string[], options: ClientOptions): Promise<ClientResult> {
  const out: Output = { stdout: '', stderr: '' };
  try {
    const exit = await run(argv, options, out);
    return { exit, ...out };
  } catch (error) {
    return { ...out, ...failure(error, out) };
  }
}

function failure(error: unknown, out: Output): ClientResult {
  if (error instanceof HelpRequest)
    return { exit: exitCode.ok, stdout: `${out.stdout}${usageOf(error.syntax)}`, stderr: out.stderr };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError)
    return { exit: exitCode.usage, stdout: out.stdout, stderr: `${out.stderr}${message}` };
  if (error instanceof TimeoutError)
    return { exit: exitCode.timeout, stdout: out.stdout, stderr: `${out.stderr}Error: ${message}\n` };
  if (error instanceof ReplyError)
    return { exit: exitCode.reply, stdout: out.stdout, stderr: `${out.stderr}Error: ${message}\n` };
  // Trouble while connecting has been told already.
  if (error instanceof ConnectionError) {
    const told = out.stderr.includes('Unable to connect');
    return {
      exit: exitCode.connection,
      stdout: out.stdout,
      stderr: told ? out.stderr : `${out.stderr}Error: ${message}\n`,
    };
  }
  return {
    exit: exitCode.failed,
    stdout: out.stdout,
    stderr: `${out.stderr}Traceback (most recent call last):\n${message}\n`,
  };
}

async function run(argv: readonly string[], options: ClientOptions, out: Output): Promise<number> {
  const extra = [...environmentOptions(options.env), ...clientConfig(argv, options.env)];
  const { globals, rest } = splitGlobals([...extra, ...argv]);
  if (globals.has('version')) {
    out.stdout += `linstor-client ${clientVersion}; GIT-hash: UNKNOWN\n`;
    return exitCode.ok;
  }
  if (rest.length === 0 || rest[0] === 'help') {
    out.stdout += helpText();
    return exitCode.ok;
  }
  const { command, argv: own } = findCommand(rest);
  let parsed: ReturnType<typeof parseArguments>;
  let plan: ReturnType<CommandSpec['plan']>;
  try {
    parsed = parseArguments(syntaxOf(command), own);
    if (parsed.unknown.length > 0)
      throw new UsageError(
        `${topLevel.usage}linstor: error: unrecognized arguments: ${parsed.unknown.join(' ')}\n`,
      );
    plan = command.plan(parsed.values);
  } catch (error) {
    // This one error puts the usage on stdout (recorded).
    if (error instanceof UsageError && error.message.startsWith('ArgumentError:'))
      out.stdout += topLevel.usage;
    throw error;
  }
  const mode: Mode = {
    machine: globals.has('machine-readable'),
    v0: (globals.one('output-version') ?? options.env['LS_OUTPUT_VERSION'] ?? 'v1') === 'v0',
    colour: !globals.has('no-color'),
    warnAsError: globals.has('warn-as-error'),
  };
  const controller = connection(globals, options, out);
  return new Answering(controller, mode, out, options.pollMs ?? 1000).answer(plan);
}

/** Options that stand before the command. */
function splitGlobals(argv: readonly string[]): { globals: ParsedArguments; rest: readonly string[] } {
  let at = 0;
  while (at < argv.length && argv[at]?.startsWith('-')) {
    const word = argv[at] ?? '';
    const option = globalOptions.find((each) => each.names.includes(word));
    at += option?.arity === 1 ? 2 : 1;
  }
  const { values, unknown } = parseArguments(
    { program: 'linstor', options: globalOptions, positionals: [] },
    argv.slice(0, at),
  );
  if (unknown.length > 0)
    throw new UsageError(`${topLevel.usage}linstor: error: unrecognized arguments: ${unknown.join(' ')}\n`);
  return { globals: values, rest: argv.slice(at) };
}

/** `LS_CLIENT_<OPTION>`; an option that is none is refused like a mistyped one. */
function environmentOptions(env: ClientOptions['env']): string[] {
  return Object.entries(env)
    .filter(([name]) => name.startsWith('LS_CLIENT_'))
    .flatMap(([name, text = '']) => [
      `--${name.slice('LS_CLIENT_'.length).toLowerCase().replaceAll('_', '-')}`,
      ...(text === '' ? [] : [text]),
    ]);
}

function connection(globals: ParsedArguments, options: ClientOptions, out: Output): Controller {
  // LS_CONTROLLERS is appended to what the option says, never replaced by it (linstor-behaviour §8).
  const lists = [globals.one('controllers'), options.env['LS_CONTROLLERS']].filter(
    (text) => text !== undefined && text !== '',
  );
  const controllers = (lists.length > 0 ? lists : ['localhost:3370'])
    .join(',')
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
  const file = (name: string): string | undefined => {
    const path = globals.one(name);
    return path === undefined ? undefined : readFileSync(path, 'utf8');
  };
  const [cert, key, ca] = [file('certfile'), file('keyfile'), file('cafile')];
  const user = globals.one('user');
  return new Controller({
    controllers,
    fetch: options.fetch ?? ((url, init) => fetch(url, init as RequestInit)),
    timeoutMs: Number(globals.one('timeout') ?? 300) * 1000,
    tls: { ...(cert ? { cert } : {}), ...(key ? { key } : {}), ...(ca ? { ca } : {}) },
    ...(user === undefined ? {} : { credentials: `${user}:${globals.one('password') ?? ''}` }),
    onTrouble: (line) => {
      out.stderr += line;
    },
  });
}
