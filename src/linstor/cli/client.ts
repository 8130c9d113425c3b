import { DriverError, isDriverError } from '../../errors.ts';
import { nextPause } from '../../pause.ts';
import type { ControllerSettings } from '../controller-settings.ts';
import { refusal, toEntries, toOutcome } from '../entries.ts';
import { describeText, type Json, parseReply } from '../json.ts';
import { Outcome } from '../outcome.ts';
import { isPassingRefusal } from '../passing.ts';
import { ReplyLost } from '../reply-lost.ts';
import { clientForm, parseControllers } from '../rest/controllers.ts';
import { type CallHook, type LinstorHooks, sleepOf } from '../rest/hooks.ts';
import { type Deadlines, defaultDeadlines, type Patience } from '../rest/http.ts';
import { usesTlsFiles } from '../rest/tls-files.ts';
import { type ClientResult, type RunClient, runClient } from './run.ts';

const connectExit = 20;
const timeoutExit = 21;
const usageExit = 2;

/** Last line of what a person would read; colours removed (the client colours clone errors even into a pipe). */
function lastLine(stderr: string): string {
  const plain = stderr.replaceAll(/\u001b\[[0-9;]*m/g, '');
  return plain.trim().split('\n').at(-1)?.trim() ?? '';
}

const forPrograms = ['-m', '--output-version', 'v1'];
const forReading = ['--no-utf8'];

/**
 * Global options for every call.
 *
 * With controllers configured, the client's own configuration is shut out: an `output-version` or `verbose` in it
 * would change what is printed, and LS_CONTROLLERS in the environment is appended to `--controllers` and silently
 * rescues a wrong value (linstor-behaviour §8). Without controllers the client is left to its own configuration:
 * that is the site which reaches the controller only through its configured client.
 */
function globalOptions(settings: ControllerSettings): string[] {
  const options = ['--no-color'];
  if (settings.controllers.length === 0) return options;
  const controllers = parseControllers(settings.controllers, usesTlsFiles(settings));
  options.push('--disable-config', '--controllers', controllers.map(clientForm).join(','));
  if (settings.certFile) options.push('--certfile', settings.certFile);
  if (settings.keyFile) options.push('--keyfile', settings.keyFile);
  if (settings.caFile) options.push('--cafile', settings.caFile);
  if (settings.username && controllers.some((one) => one.scheme === 'http'))
    options.push('--allow-insecure-auth');
  return options;
}

/** Credentials go by environment: arguments can be read by everybody on the machine. */
function environment(
  settings: ControllerSettings,
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const configured = settings.controllers.length > 0;
  const foreign = (name: string) =>
    name === 'LS_OUTPUT_VERSION' ||
    (configured && (name === 'LS_CONTROLLERS' || name.startsWith('LS_CLIENT_')));
  const kept = Object.entries(own).flatMap(([name, value]) =>
    value === undefined || foreign(name) ? [] : [[name, value] as const],
  );
  return {
    ...Object.fromEntries(kept),
    ...(configured && settings.username ? { LS_CLIENT_USER: settings.username } : {}),
    // An empty one would reach the client as an option without a value.
    ...(configured && settings.password ? { LS_CLIENT_PASSWORD: settings.password } : {}),
    PYTHONUTF8: '1',
  };
}

export interface ClientCall {
  /** Changes something: a lost answer is then a ReplyLost. */
  readonly write: boolean;
  /** What the option is for, when older clients do not know it: exit 2 is then LINSTOR_UNSUPPORTED. */
  readonly newOption?: string;
  /** As for a person, not with -m. */
  readonly text?: boolean;
  /** Of a reading call; absent: the controller answers by itself. */
  readonly patience?: Patience;
  /** The answer counts although the action was stopped meanwhile: more has to follow before it may end. */
  readonly unstopped?: boolean;
}

/** Runs LINBIT's client and reads its answers (linstor-behaviour §4.1, §4.2). */
export class CliClient {
  readonly #command: string;
  readonly #options: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #deadlines: Deadlines;
  readonly #run: RunClient;
  readonly #call: CallHook;
  readonly #signal: AbortSignal | undefined;
  readonly #sleep: (ms: number) => Promise<void>;
  #wasLive = false;
  #checkTls: (() => Promise<unknown>) | undefined;
  /** Calls that found no controller. */
  absences = 0;

  /** @throws BAD_ATTRIBUTE for controllers that are none; LINSTOR_UNSUPPORTED for a token, which the client cannot be given */
  constructor(settings: ControllerSettings, hooks: LinstorHooks = {}) {
    if (settings.token) {
      throw new DriverError('LINSTOR_UNSUPPORTED', 'a token cannot be handed to the LINSTOR client', {
        remedy: 'set TRANSPORT=rest, or let the client find its token itself',
      });
    }
    this.#command = settings.linstorCommand;
    this.#options = globalOptions(settings);
    this.#env = environment(settings, hooks.env ?? process.env);
    this.#deadlines = { ...defaultDeadlines, ...hooks.deadlines };
    this.#run = hooks.run ?? runClient;
    this.#call = hooks.onCall ?? (() => undefined);
    this.#signal = hooks.signal;
    this.#sleep = sleepOf(hooks);
    // The client's own word for a missing file is a Python traceback without the file's name.
    this.#checkTls = usesTlsFiles(settings)
      ? async () => (await import('../rest/tls.ts')).loadTls(settings)
      : undefined;
  }

  /**
   * A reading command's document, taken out of the list around it. `[[…]]` is one reply. What says nothing is asked again for a while.
   * @throws LinstorError, transport errors
   */
  async read(args: readonly string[], patience: Patience = 'read'): Promise<Json> {
    const raw = await this.readFlat(args, patience);
    return Array.isArray(raw) ? ((raw[0] as Json | undefined) ?? []) : raw;
  }

  /** The same of a command that puts no list around its document (linstor-behaviour §3.15). */
  async readFlat(args: readonly string[], patience: Patience = 'read'): Promise<Json> {
    const what = describe(args);
    const until = performance.now() + Math.min(this.#deadlines.repeat, this.#deadlines[patience]);
    for (let pause = 200; ; pause = nextPause(pause)) {
      const raw = await this.#json(args, what, { write: false, patience });
      const entries = toEntries(raw);
      if (entries === undefined || entries.length === 0) return raw;
      if (!isPassingRefusal(entries) || performance.now() + pause > until) throw refusal(what, entries, 0);
      await this.#sleep(pause);
    }
  }

  /** What a person is shown, without colours and line-drawing characters: for what the client cannot print with -m. */
  async readText(args: readonly string[]): Promise<string> {
    const what = describe(args);
    const call: ClientCall = { write: false, text: true };
    const result = await this.#reach(args, what, call);
    if (result.timedOut || result.exitCode === timeoutExit) throw lost(what, call, 'no answer in time');
    if (result.exitCode === 0) return result.stdout;
    if (result.exitCode === connectExit) this.absences += 1;
    // A refusal is printed where the table would have been.
    throw exitError(this.#command, what, { ...result, stderr: result.stderr.trim() || result.stdout }, call);
  }

  async write(args: readonly string[], call: Partial<ClientCall> = {}): Promise<Outcome> {
    const what = describe(args);
    return toOutcome(what, await this.#json(args, what, { write: true, ...call }), 0);
  }

  /**
   * Writes of which none may stay alone, one after the other: an action that is stopped meanwhile hears of it when all are done. The first
   * that is refused ends it; `afterwards` is then told how many had been carried out.
   */
  async writeWhole(
    calls: readonly (readonly string[])[],
    afterwards: (done: number) => Promise<void>,
  ): Promise<Outcome> {
    const stop = this.#stop();
    const entries: Outcome['entries'][number][] = [];
    for (const [done, args] of calls.entries()) {
      try {
        entries.push(...(await this.write(args, { unstopped: true })).entries);
      } catch (error) {
        await afterwards(done);
        throw error;
      }
    }
    if (stop?.aborted) throw stopped(calls.map(describe).join(', '));
    return new Outcome(entries);
  }

  /** See http.ts: undo steps get through. */
  #stop(): AbortSignal | undefined {
    return this.#signal?.aborted ? undefined : this.#signal;
  }

  async #json(args: readonly string[], what: string, call: ClientCall): Promise<Json> {
    const result = await this.#reach(args, what, call);
    if (result.timedOut || result.exitCode === timeoutExit) throw lost(what, call, 'no answer in time');
    // Errors of LINSTOR come with exit 0 and as JSON; JSON with another exit is from a wait after the call.
    if (result.stdout.trim() !== '' && result.exitCode !== usageExit) {
      const raw = this.#parse(result, what, call);
      // A list of nothing says neither that it was done nor that it was not.
      if (result.exitCode === 0 || !Array.isArray(raw) || raw.length > 0) return raw;
    }
    if (result.exitCode === connectExit) this.absences += 1;
    throw exitError(this.#command, what, result, call);
  }

  #parse(result: ClientResult, what: string, call: ClientCall): Json {
    try {
      return parseReply(result.stdout, what);
    } catch (cause) {
      if (!call.write) throw cause;
      throw new ReplyLost(what, describeText(result.stdout), { code: 'LINSTOR_REPLY', cause });
    }
  }

  /**
   * Nothing was sent where no connection was made, so it may be repeated. As over REST, a controller that answered before is waited for.
   * One that took no connection in time is asked again at once: the client allows 3 s for that, which a front-end with a hundred actions
   * at once does not always manage.
   */
  async #reach(args: readonly string[], what: string, call: ClientCall): Promise<ClientResult> {
    const until = performance.now() + (this.#wasLive ? this.#deadlines.failover : 0);
    let late = 0;
    for (let pause = 100; ; pause = nextPause(pause)) {
      const result = await this.#execute(args, what, call);
      if (!isUnconnected(result)) {
        this.#wasLive = true;
        return result;
      }
      const slow = isLate(result) && late < mostLate;
      if (!slow && performance.now() + pause > until) return result;
      late += slow ? 1 : 0;
      await this.#sleep(pause);
    }
  }

  async #execute(
    args: readonly string[],
    what: string,
    { write, unstopped, text, patience }: ClientCall,
  ): Promise<ClientResult> {
    await this.#checkTls?.();
    this.#checkTls = undefined;
    const limit = this.#deadlines[write ? 'write' : (patience ?? 'read')];
    const seconds = String(Math.max(1, Math.ceil(limit / 1000)));
    const started = performance.now();
    // A write is never abandoned half-way.
    const stop = this.#stop();
    const running = this.#run(
      [this.#command, ...(text ? forReading : forPrograms), ...this.#options, '--timeout', seconds, ...args],
      {
        env: this.#env,
        // The client's own limit is for one connection; ours is for the process.
        timeoutMs: limit + this.#deadlines.connect,
        ...(stop && !write ? { signal: stop } : {}),
      },
    );
    const result = await running.catch((error: unknown) => {
      // Cut off in the middle of what it said.
      if (write && isDriverError(error, 'LINSTOR_REPLY'))
        throw new ReplyLost(what, error.message, { code: 'LINSTOR_REPLY', cause: error });
      throw error;
    });
    const outcome = result.timedOut ? 'no answer in time' : `exit ${result.exitCode}`;
    this.#call({
      kind: 'linstor',
      target: this.#command,
      verb: what,
      ms: performance.now() - started,
      outcome,
    });
    if (stop?.aborted && !unstopped) throw stopped(what);
    return result;
  }
}

/** So often a connection may take longer than the client waits for it. */
const mostLate = 2;
const isLate = ({ stderr }: ClientResult): boolean => /timed out/i.test(stderr);

const isUnconnected = ({ exitCode, stderr }: ClientResult): boolean =>
  exitCode === connectExit && neverSent(stderr) && !isTls(stderr);

const neverSent = (stderr: string): boolean => /unable to connect/i.test(stderr);
const isTls = (stderr: string): boolean => /\bSSL\b|certificate/i.test(stderr);

function describe(args: readonly string[]): string {
  return `linstor ${args.join(' ')}`;
}

const stopped = (what: string): DriverError => new DriverError('INTERRUPTED', `${what} was stopped`);

function lost(what: string, call: ClientCall, why: string): DriverError {
  return call.write
    ? new ReplyLost(what, why, { late: true })
    : new DriverError('LINSTOR_TIMEOUT', `${what}: ${why}`);
}

/** Exit codes of the client, where nothing was printed to decide by. */
function exitError(command: string, what: string, result: ClientResult, call: ClientCall): DriverError {
  const line = lastLine(result.stderr);
  const details = line ? [line] : [];
  if (result.exitCode === connectExit) return connectError(what, result.stderr, details, call);
  if (result.exitCode === usageExit) {
    if (call.newOption) {
      return new DriverError(
        'LINSTOR_UNSUPPORTED',
        `${what}: this LINSTOR client cannot do ${call.newOption}`,
        {
          details,
          remedy: 'update linstor-client, or set TRANSPORT=rest',
        },
      );
    }
    return new DriverError('LINSTOR_CLIENT', `${command} does not take the arguments of ${what}`, {
      details,
      remedy: 'update linstor-client, or set TRANSPORT=rest',
    });
  }
  if (result.exitCode === 0 && !call.write)
    return new DriverError('LINSTOR_REPLY', `${what} printed nothing`, { details });
  if (/not supported/i.test(line)) return new DriverError('LINSTOR_UNSUPPORTED', `${what}: ${line}`);
  if (call.write)
    return new ReplyLost(
      what,
      `the client ended with exit code ${result.exitCode} (${line || 'it said nothing'})`,
      {
        code: 'LINSTOR_REPLY',
      },
    );
  return new DriverError('LINSTOR_REPLY', `${what} ended with exit code ${result.exitCode}`, { details });
}

function connectError(
  what: string,
  stderr: string,
  details: readonly string[],
  call: ClientCall,
): DriverError {
  if (isTls(stderr)) return new DriverError('LINSTOR_TLS', `${what}: TLS failed`, { details });
  if (call.write && !neverSent(stderr)) return new ReplyLost(what, details[0] ?? 'the connection was lost');
  const lines = stderr
    .replaceAll(/\u001b\[[0-9;]*m/g, '')
    .split('\n')
    .map((text) => text.trim());
  return new DriverError('LINSTOR_UNREACHABLE', `${what}: no LINSTOR controller can be reached`, {
    details: lines.filter((text) => text !== ''),
  });
}
