import { type FetchOptions, type FetchResponse, ofetch } from 'ofetch';
import { DriverError, isDriverError } from '../../errors.ts';
import { nextPause } from '../../pause.ts';
import type { ControllerSettings } from '../controller-settings.ts';
import { classify, type Failure, failureError } from '../failure.ts';
import { isPassing } from '../passing.ts';
import { ReplyLost } from '../reply-lost.ts';
import { address, baseUrl, type Controller, parseControllers, redirected } from './controllers.ts';
import { dial } from './dial.ts';
import { type CallHook, type LinstorHooks, sleepOf } from './hooks.ts';
import { type TlsMaterial, usesTlsFiles } from './tls-files.ts';

/** How long is waited for what, in milliseconds (linstor-behaviour §8). */
export interface Deadlines {
  readonly connect: number;
  /** What the controller answers by itself. */
  readonly read: number;
  /** What it asks its satellites for: a pass over them, as a write is. */
  readonly view: number;
  /** What may be older as well. */
  readonly fresh: number;
  /** Figures for all that there is, of which a round may be left out. */
  readonly usage: number;
  readonly write: number;
  /** How long a read is asked again that was answered with nothing to go by: a satellite that is gone is noticed within some ten seconds (real-drbd). */
  readonly repeat: number;
  /** How long a controller that answered before and is gone is waited for: fail-over takes 10–60 s. */
  readonly failover: number;
}

export const defaultDeadlines: Deadlines = {
  connect: 4_000,
  read: 30_000,
  view: 300_000,
  fresh: 10_000,
  usage: 60_000,
  write: 300_000,
  repeat: 30_000,
  failover: 30_000,
};

/** Which deadline holds for a read. */
export type Patience = 'read' | 'view' | 'fresh' | 'usage';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With query, below the controller's address. */
  readonly path: string;
  readonly body?: unknown;
  /** A POST that changes nothing, and may be repeated. */
  readonly query?: boolean;
  /** Of a read; absent: the controller answers by itself. */
  readonly patience?: Patience;
  /**
   * Gets the body of an answer with status 200 as it arrives; `text` is then ''. Asked for a new one with each attempt.
   * What it throws as LINSTOR_REPLY is thrown on, and the request not repeated.
   */
  readonly into?: () => { add(bytes: Uint8Array): void };
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

type Answer = FetchResponse<string>;
type RequestOptions = Pick<
  FetchOptions,
  'method' | 'retry' | 'ignoreResponseError' | 'redirect' | 'signal' | 'headers' | 'keepalive' | 'body'
>;
type Attempt = { readonly answer: Answer } | { readonly failure: Failure };

/** A proxy answers for a controller that is not there. */
const gatewayStatus = new Set([502, 503, 504]);

function authorization(settings: ControllerSettings): Record<string, string> {
  if (settings.token) return { authorization: `Bearer ${settings.token}` };
  if (!settings.username) return {};
  const pair = Buffer.from(`${settings.username}:${settings.password ?? ''}`, 'utf8').toString('base64');
  return { authorization: `Basic ${pair}` };
}

/**
 * The body goes where it is wanted as it arrives, and no further than it may: a text where the answer is a refusal or no sink was given. A
 * controller that sends without end is cut off.
 */
async function received(url: string, options: RequestOptions, request: HttpRequest): Promise<Answer> {
  const answer = await ofetch.raw<unknown, 'stream'>(url, { ...options, responseType: 'stream' });
  const body = (answer._data ?? []) as AsyncIterable<Uint8Array>;
  const sink = answer.status === 200 ? request.into?.() : undefined;
  const limit = sink ? mostBytes.list : mostBytes.document;
  const decoder = new TextDecoder();
  const texts: string[] = [];
  let size = 0;
  for await (const bytes of body) {
    size += bytes.byteLength;
    if (size > limit) throw tooLarge(`${request.method} ${request.path}`, limit);
    if (sink) sink.add(bytes);
    else texts.push(decoder.decode(bytes, { stream: true }));
  }
  texts.push(decoder.decode());
  return Object.assign(answer, { _data: texts.join('') });
}

/** What an answer may hold, in bytes: a single document, and a list that is decoded as it arrives. */
export const mostBytes = { document: 64 * 1024 * 1024, list: 512 * 1024 * 1024 } as const;

export function tooLarge(what: string, limit: number): DriverError {
  return new DriverError(
    'LINSTOR_REPLY',
    `${what}: the answer is larger than ${limit / 1024 / 1024} MiB and was not read to its end`,
    { remedy: 'check that LS_CONTROLLERS leads to a LINSTOR controller' },
  );
}

/** A server's error without a reason, or with Java's: a satellite was lost while it was asked, the controller is just starting (real-drbd). */
function saysNothing(answer: Answer): boolean {
  return answer.status >= 500 && isPassing(answer._data ?? '');
}

function gatewayFailure(answer: FetchResponse<string>): Failure | undefined {
  // LINSTOR itself never answers with these; a list is LINSTOR's all the same.
  if (!gatewayStatus.has(answer.status) || /^\s*\[/.test(answer._data ?? '')) return undefined;
  return { kind: 'lost', why: `HTTP ${answer.status} from a proxy`, cause: undefined };
}

/**
 * HTTP to whichever controller is alive: tried in order, the live one remembered, a deadline for each step.
 * What may be repeated is repeated elsewhere; a POST that was sent never is (linstor-behaviour §8: LINBIT's
 * Python client sends it twice).
 */
export class ControllerHttp {
  readonly #settings: ControllerSettings;
  readonly #hooks: LinstorHooks;
  readonly #deadlines: Deadlines;
  readonly #controllers: Controller[];
  readonly #call: CallHook;
  #live: number | undefined;
  #wasLive = false;
  #absences = 0;
  /** Absences after which a write has been prepared for. */
  #prepared = 0;
  readonly #whenBack: () => Promise<unknown>;
  #tls: TlsMaterial | undefined;

  /** `whenBack`: done before the first write to a controller that was gone; only reads. */
  constructor(
    settings: ControllerSettings,
    hooks: LinstorHooks = {},
    whenBack: () => Promise<unknown> = async () => undefined,
  ) {
    this.#whenBack = whenBack;
    this.#settings = settings;
    this.#hooks = hooks;
    this.#deadlines = { ...defaultDeadlines, ...hooks.deadlines };
    this.#controllers = parseControllers(settings.controllers, usesTlsFiles(settings));
    this.#call = hooks.onCall ?? (() => undefined);
  }

  /**
   * How often the controller that had answered was gone: nobody answered there, or another one took over. A connection that only broke
   * does not count.
   */
  get absences(): number {
    return this.#absences;
  }

  /**
   * @returns the answer whatever its status: judging it needs the entries in it
   * @throws LINSTOR_UNREACHABLE, LINSTOR_TIMEOUT, LINSTOR_TLS, INTERRUPTED; ReplyLost for a write whose fate is unknown
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const verb = `${request.method} ${request.path}`;
    const read = request.method === 'GET' || request.query === true;
    // A signal that was raised before belongs to the action; what is called now is an undo step and must get through.
    const stop = this.#hooks.signal?.aborted ? undefined : this.#hooks.signal;
    const allowed = read ? this.#deadlines[request.patience ?? 'read'] : this.#deadlines.write;
    const started = performance.now();
    for (let tries = 0, pause = 200; ; ) {
      const index = await this.#findLive();
      if (!read && this.#prepared !== this.#absences) {
        this.#prepared = this.#absences;
        await this.#whenBack();
        continue;
      }
      // All attempts of a read share its time.
      const ms = read ? allowed - (performance.now() - started) : allowed;
      const attempt = await this.#attempt(index, request, verb, read ? stop : undefined, { read, ms });
      const answer = 'answer' in attempt ? attempt.answer : undefined;
      if (answer && answer.status >= 300 && answer.status < 400) {
        this.#adopt(index, answer);
        continue;
      }
      const failure = 'failure' in attempt ? attempt.failure : gatewayFailure(attempt.answer);
      const empty = read && !failure && answer !== undefined && saysNothing(answer);
      if (answer && !failure && !empty) {
        // A write is never abandoned half-way: its undo would race with the controller's work on it.
        if (stop?.aborted)
          throw failureError(
            verb,
            this.#where(index),
            { kind: 'stopped', why: 'stopped', cause: stop.reason },
            read,
          );
        return { status: answer.status, text: answer._data ?? '' };
      }
      if (!empty) this.#live = undefined;
      // A proxy says that it has no controller behind it.
      if (failure && answer) this.#absences += 1;
      tries += 1;
      if (!this.#mayRepeat(request, failure, { read, tries, pause, started, allowed })) {
        if (failure) throw failureError(verb, this.#where(index), failure, read);
        return { status: answer?.status ?? 0, text: answer?._data ?? '' };
      }
      // Somewhere else at once, the same one only after a pause.
      if (tries > 1 || empty) {
        await sleepOf(this.#hooks)(pause);
        pause = nextPause(pause);
      }
    }
  }

  /**
   * A request that never left, and one that may be carried out twice, is tried once more; a read again and again for a while, within its
   * own time.
   */
  #mayRepeat(
    request: HttpRequest,
    failure: Failure | undefined,
    at: { read: boolean; tries: number; pause: number; started: number; allowed: number },
  ): boolean {
    const gone = performance.now() - at.started;
    if (at.read && gone + at.pause > at.allowed) return false;
    if (failure && failure.kind !== 'unsent' && failure.kind !== 'lost') return false;
    if (failure?.kind === 'lost' && request.method === 'POST' && !at.read) return false;
    return at.tries < 2 || (at.read && gone + at.pause < this.#deadlines.repeat);
  }

  #where(index: number): string {
    const controller = this.#controllers[index];
    return controller ? baseUrl(controller) : '';
  }

  /** A redirect was answered, so nothing was carried out: the same request goes to the new address. */
  #adopt(index: number, answer: FetchResponse<string>): void {
    const from = this.#controllers[index];
    if (!from) return;
    this.#controllers[index] = redirected(from, answer.headers.get('location'));
    this.#live = undefined;
  }

  /** The remembered controller, or the first that accepts a connection. */
  async #findLive(): Promise<number> {
    if (this.#live !== undefined) return this.#live;
    const until = performance.now() + (this.#wasLive ? this.#deadlines.failover : 0);
    let away = false;
    for (let pause = 100; ; pause = nextPause(pause)) {
      const knew = this.#wasLive;
      const refusals = await this.#dialAll();
      if (knew && refusals.length > 0 && !away) {
        away = true;
        this.#absences += 1;
      }
      if (this.#live !== undefined) return this.#live;
      if (performance.now() + pause > until) {
        throw new DriverError(
          'LINSTOR_UNREACHABLE',
          `no LINSTOR controller can be reached: ${refusals.join('; ')}`,
        );
      }
      await sleepOf(this.#hooks)(pause);
    }
  }

  async #dialAll(): Promise<string[]> {
    const refusals: string[] = [];
    for (const [index, controller] of this.#controllers.entries()) {
      const start = performance.now();
      const why = await dial(controller, this.#deadlines.connect);
      if (why === undefined) {
        this.#live = index;
        this.#wasLive = true;
        return refusals;
      }
      refusals.push(`${baseUrl(controller)} (${why})`);
      this.#call({
        kind: 'linstor',
        target: address(controller),
        verb: 'connect',
        ms: performance.now() - start,
        outcome: why,
      });
    }
    return refusals;
  }

  async #attempt(
    index: number,
    request: HttpRequest,
    verb: string,
    stop: AbortSignal | undefined,
    { read, ms }: { readonly read: boolean; readonly ms: number },
  ): Promise<Attempt> {
    const controller = this.#controllers[index] as Controller;
    const deadline = AbortSignal.timeout(Math.max(1, Math.ceil(ms)));
    const signal = stop ? AbortSignal.any([deadline, stop]) : deadline;
    const options = await this.#options(controller, request, signal, read);
    const start = performance.now();
    const report = (outcome: string) =>
      this.#call({
        kind: 'linstor',
        target: address(controller),
        verb,
        ms: performance.now() - start,
        outcome,
      });
    try {
      const url = `${baseUrl(controller)}${request.path}`;
      const answer = await received(url, options, request);
      report(String(answer.status));
      return { answer };
    } catch (error) {
      if (isDriverError(error, 'LINSTOR_REPLY')) {
        report(error.code);
        throw read ? error : new ReplyLost(verb, error.message, { code: 'LINSTOR_REPLY', cause: error });
      }
      const failure = classify(error, stop?.aborted ?? false);
      report(failure.why);
      return { failure };
    }
  }

  async #options(
    controller: Controller,
    request: HttpRequest,
    signal: AbortSignal,
    read: boolean,
  ): Promise<RequestOptions> {
    const tls = controller.scheme === 'https' ? await this.#certificates() : undefined;
    const options: RequestOptions & { tls?: TlsMaterial & { rejectUnauthorized: true }; proxy?: false } = {
      // Bun's fetch obeys http_proxy, even for localhost: a controller is never behind the proxy of the downloads.
      proxy: false,
      method: request.method,
      retry: 0,
      ignoreResponseError: true,
      redirect: 'manual',
      signal,
      headers: {
        accept: 'application/json',
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...authorization(this.#settings),
      },
      // A kept connection may have been closed by the other side just now. A read is repeated then; for a POST
      // nobody could tell that it never arrived.
      keepalive: request.method !== 'POST' || read,
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      // Not what NODE_TLS_REJECT_UNAUTHORIZED says.
      ...(tls ? { tls: { ...tls, rejectUnauthorized: true } } : {}),
    };
    return options;
  }

  /** Checking them takes `node:crypto`, which the usual plain connection does without. */
  async #certificates(): Promise<TlsMaterial> {
    this.#tls ??= (await import('./tls.ts')).loadTls(this.#settings);
    return this.#tls;
  }
}
