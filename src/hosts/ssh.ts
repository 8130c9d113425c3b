import type { Log } from '../effects.ts';
import { DriverError } from '../errors.ts';
import { greet, type Heard, hear } from './greeting.ts';
import type { HostCommand, HostResult, Hosts } from './hosts.ts';
import { beginning, pausesMs, triesMore, withoutMark } from './never-made.ts';
import { type ProcessResult, runProcess } from './process.ts';
import { quote, quoteAll } from './quote.ts';
import { hasRawBytes } from './raw-text.ts';
import { isThisMachine, ownName, resolvedName } from './this-machine.ts';

/**
 * Put before every script. The PATH of a non-interactive ssh session often lacks sbin (blkdiscard, losetup,
 * mkswap); what the site put first stays first. To bash before 4.4 (CentOS 7) an empty array is an unset variable.
 */
const prelude =
  'export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"\n' +
  'set -o pipefail; if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)); then set -u; fi\n';

/**
 * Never a question, never for ever. Everything else (ControlMaster, keys, users, ports) is the site's own
 * ssh configuration. ERROR keeps "Permanently added …" out of what a person reads.
 */
const sshOptions = [
  ...['-o', 'BatchMode=yes'],
  ...['-o', 'ConnectTimeout=10'],
  ...['-o', 'ServerAliveInterval=10'],
  ...['-o', 'ServerAliveCountMax=3'],
  ...['-o', 'LogLevel=ERROR'],
] as const;

/** Linux takes no single argument of 128 KiB or more (MAX_ARG_STRLEN). */
const longestArgument = 131_071;

/**
 * bash reads ~/.bashrc when it believes to be started by sshd; `--norc` keeps that out of our scripts. The name
 * `linstor_un` is what bash puts before its own messages.
 */
const bash = ['bash', '--noprofile', '--norc', '-c'] as const;

type Script = Pick<HostCommand, 'script' | 'args'>;

/**
 * argv for this machine. Arguments with bytes that are not UTF-8 go through one more bash, because argv of ours
 * is text and not every login shell knows `$'\\xNN'`.
 */
export function localArgv({ script, args = [] }: Script, before = ''): readonly string[] {
  const argv = [...bash, before + prelude + script, 'linstor_un', ...args];
  return args.some(hasRawBytes) ? [...bash, `exec ${quoteAll(argv)}`] : argv;
}

/** argv for another machine. The remote login shell only has to understand quotes and `exec`. */
export function sshArgv(host: string, command: Script, before = ''): readonly string[] {
  const remote = `exec ${quoteAll(localArgv(command, greet + before))}`;
  if (Buffer.byteLength(remote) > longestArgument) {
    throw new DriverError('INTERNAL', `a command for host ${host} is too long for one argument`);
  }
  return ['ssh', ...sshOptions, '--', host, remote];
}

const masked = (text: string, args: readonly string[]): string =>
  args.filter((arg) => arg.length >= 4).reduce((line, arg) => line.replaceAll(arg, '***'), text);

/** The last lines that say something; a person reads these, not the whole output. */
export function lastLines(text: string, count: number): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-count);
}

function failure(host: string, command: HostCommand, result: ProcessResult): DriverError {
  const args = command.args ?? [];
  const lines = lastLines(command.sensitive ? masked(result.stderr, args) : result.stderr, 3);
  const how = result.signalName
    ? `was ended by ${result.signalName}`
    : `failed with exit code ${result.exitCode}`;
  const said = lines.length > 0 ? `: ${lines.join(' | ')}` : '';
  const shown = command.sensitive ? [] : [`arguments: ${quoteAll(args).slice(0, 400)}`];
  return new DriverError('HOST_COMMAND', `${command.verb} ${how} on ${host}${said}`, {
    details: args.length > 0 ? shown : [],
  });
}

export interface SshHostsOptions {
  /** One line per call, for the log and for counting. */
  readonly onCall?: Log['call'];
  /**
   * Ends what is running. Commands that are started after it has fired run as usual: they are the undo
   * steps.
   */
  readonly signal?: AbortSignal;
  /** Added to the environment of ssh and local commands; for tests (PATH with another ssh). */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Between two tries to connect; for tests. */
  readonly sleep?: (ms: number) => Promise<void>;
  /** This machine's name; default gethostname(2). */
  readonly ownName?: string;
  /** What oned calls this machine, where it has a name of its own for it. */
  readonly nameByOned?: () => string | undefined;
}

/** `Hosts` over the `ssh` in PATH. A host that is this machine is worked on without ssh. */
export class SshHosts implements Hosts {
  readonly #options: SshHostsOptions;
  readonly #unreachable = new Set<string>();
  #ownName: string | undefined;
  #fullName: string | undefined;
  #byOned: { readonly name: string | undefined } | undefined;

  constructor(options: SshHostsOptions = {}) {
    this.#options = options;
    this.#ownName = options.ownName;
  }

  get #own(): string {
    this.#ownName ??= ownName();
    return this.#ownName;
  }

  get onCall(): Log['call'] | undefined {
    return this.#options.onCall;
  }

  isFrontend(host: string): boolean {
    const full = (): string => {
      this.#fullName ??= resolvedName();
      return this.#fullName;
    };
    if (isThisMachine(host, this.#own, full)) return true;
    this.#byOned ??= { name: this.#options.nameByOned?.()?.toLowerCase() };
    return this.#byOned.name === host.toLowerCase();
  }

  sshArgv(host: string, command: Script): readonly string[] {
    return this.isFrontend(host) ? localArgv(command) : sshArgv(host, command);
  }

  /** A connection that was never made is made again; nothing that has begun is. */
  async run(host: string, command: HostCommand): Promise<HostResult> {
    if (this.isFrontend(host)) return this.local(command);
    const argv = sshArgv(host, command, beginning);
    for (let tries = 1; ; tries += 1) {
      const result = await this.#start(argv, command);
      const more = this.#unreachable.has(host) ? 0 : triesMore(result.exitCode, result.stdout, result.stderr);
      if (tries <= more && result.ended === 'exit' && !this.#options.signal?.aborted) {
        await (this.#options.sleep ?? Bun.sleep)(pausesMs[tries - 1] ?? 0);
        continue;
      }
      // The next commands of this action need not find out again.
      if (more > 0) this.#unreachable.add(host);
      return this.#finish('ssh', host, command, { ...result, stderr: withoutMark(result.stderr) });
    }
  }

  async local(command: HostCommand): Promise<HostResult> {
    return this.#finish('local', this.#own, command, await this.#start(localArgv(command), command));
  }

  #start(argv: readonly string[], command: HostCommand): Promise<ProcessResult> {
    const { signal, env } = this.#options;
    return runProcess(argv, {
      timeoutMs: command.timeoutMs,
      ...(command.stdin === undefined ? {} : { stdin: command.stdin }),
      ...(env ? { env } : {}),
      ...(signal ? { signal } : {}),
    });
  }

  #finish(kind: 'ssh' | 'local', host: string, command: HostCommand, result: ProcessResult): HostResult {
    const heard: Heard = kind === 'ssh' ? hear(result.stdout) : { noise: '', answer: result.stdout };
    const error = this.#judge(kind, host, command, result, heard);
    const { verb } = command;
    const outcome = error ? `${error.code} ${result.exitCode}` : `exit ${result.exitCode}`;
    this.#options.onCall?.({ kind, target: host, verb, ms: result.ms, outcome });
    if (error) throw error;
    const { exitCode, stderr, ms } = result;
    return { exitCode, stdout: heard.answer ?? '', stderr, ms, noise: heard.noise };
  }

  #judge(
    kind: 'ssh' | 'local',
    host: string,
    command: HostCommand,
    result: ProcessResult,
    heard: Heard,
  ): DriverError | undefined {
    const { verb, okCodes = [0] } = command;
    if (result.ended === 'abort') return new DriverError('INTERRUPTED', `${verb} on ${host} was stopped`);
    if (result.ended === 'timeout') {
      const seconds = command.timeoutMs / 1000;
      return new DriverError(
        'HOST_TIMEOUT',
        `${verb} on ${host} took longer than ${seconds} s and was ended`,
        {
          details: lastLines(result.stderr, 1),
        },
      );
    }
    if (heard.answer !== undefined && result.signalName === undefined && okCodes.includes(result.exitCode))
      return undefined;
    if (kind === 'ssh' && result.exitCode === 255) {
      const [line = 'ssh gave no reason'] = lastLines(result.stderr, 1);
      return new DriverError('HOST_UNREACHABLE', `host ${host} cannot be reached (${verb}): ${line}`);
    }
    return heard.answer === undefined ? notRun(host, command, result) : failure(host, command, result);
  }
}

/** nologin says so and ends; csh stumbles over a command of several lines. */
function notRun(host: string, { verb }: HostCommand, { stdout, stderr }: ProcessResult): DriverError {
  const [line = 'it said nothing'] = lastLines(`${stdout}\n${stderr}`, 1);
  return new DriverError('HOST_COMMAND', `the login shell on ${host} did not run ${verb}: ${line}`, {
    remedy: `give the user a POSIX shell on ${host} (chsh -s /bin/bash), and look at what its start files do without a terminal`,
  });
}

/** For messages and logs: how a person would call it. */
export function commandLine(argv: readonly string[]): string {
  return argv.map(quote).join(' ');
}
