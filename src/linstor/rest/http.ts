import { type FetchOptions, type FetchResponse, ofetch } from 'ofetch';
import { DriverError, isDriverError } from '../../errors.ts';
import type { ControllerSettings } from '../../opennebula/settings.ts';
import { classify, type Failure, failureError } from '../failure.ts';
import { address, baseUrl, type Controller, parseControllers, redirected } from './controllers.ts';
import { dial } from './dial.ts';
import { type CallHook, type LinstorHooks, sleepOf } from './hooks.ts';
import { type TlsMaterial, usesTlsFiles } from './tls-files.ts';

/** How long is waited for what, in milliseconds (linstor-behaviour §8). */
export interface Deadlines {
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  /** How long a controller that answered before and is gone is waited for: fail-over takes 10–60 s. */
  readonly failover: number;
}

export const defaultDeadlines: Deadlines = { connect: 4_000, read: 30_000, write: 300_000, failover: 30_000 };

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With query, below the controller's address. */
  readonly path: string;
  readonly body?: unknown;
  /** A POST that changes nothing, and may be repeated. */
  readonly query?: boolean;
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

/** Only what was hoped for is worth a stream: the text of a refusal is short, and judged as a whole. */
async function streamed(
  url: string,
  options: RequestOptions,
  into: NonNullable<HttpRequest['into']>,
): Promise<Answer> {
  const answer = await ofetch.raw<unknown, 'stream'>(url, { ...options, responseType: 'stream' });
  const body = answer._data as ReadableStream<Uint8Array> | undefined;
  if (answer.status !== 200) return Object.assign(answer, { _data: await new Response(body).text() });
  const sink = into();
  for await (const bytes of body ?? []) sink.add(bytes);
  return Object.assign(answer, { _data: '' });
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
    for (let left = 2; ; ) {
      const index = await this.#findLive();
      if (!read && this.#prepared !== this.#absences) {
        this.#prepared = this.#absences;
        await this.#whenBack();
        continue;
      }
      const attempt = await this.#attempt(index, request, verb, read ? stop : undefined, read);
      const answer = 'answer' in attempt ? attempt.answer : undefined;
      if (answer && answer.status >= 300 && answer.status < 400) {
        this.#adopt(index, answer);
        continue;
      }
      const failure = 'failure' in attempt ? attempt.failure : gatewayFailure(attempt.answer);
      if (answer && !failure) {
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
      if (!failure) throw new DriverError('INTERNAL', `${verb}: neither answer nor failure`);
      this.#live = undefined;
      // A proxy says that it has no controller behind it.
      if ('answer' in attempt) this.#absences += 1;
      left -= 1;
      const again =
        failure.kind === 'unsent' || (failure.kind === 'lost' && (request.method !== 'POST' || read));
      if (!again || left === 0) throw failureError(verb, this.#where(index), failure, read);
    }
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
    for (let pause = 100; ; pause = Math.min(pause * 1.6, 2_000)) {
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
    read: boolean,
  ): Promise<Attempt> {
    const controller = this.#controllers[index] as Controller;
    const options = await this.#options(controller, request, stop, read);
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
      const answer: Answer = request.into
        ? await streamed(url, options, request.into)
        : await ofetch.raw<string, 'text'>(url, { ...options, responseType: 'text' });
      report(String(answer.status));
      return { answer };
    } catch (error) {
      if (isDriverError(error, 'LINSTOR_REPLY')) throw error;
      const failure = classify(error, stop?.aborted ?? false);
      report(failure.why);
      return { failure };
    }
  }

  async #options(
    controller: Controller,
    request: HttpRequest,
    stop: AbortSignal | undefined,
    read: boolean,
  ): Promise<RequestOptions> {
    const tls = controller.scheme === 'https' ? await this.#certificates() : undefined;
    const deadline = AbortSignal.timeout(read ? this.#deadlines.read : this.#deadlines.write);
    const options: RequestOptions & { tls?: TlsMaterial & { rejectUnauthorized: true }; proxy?: false } = {
      // Bun's fetch obeys http_proxy, even for localhost: a controller is never behind the proxy of the downloads.
      proxy: false,
      method: request.method,
      retry: 0,
      ignoreResponseError: true,
      redirect: 'manual',
      signal: stop ? AbortSignal.any([deadline, stop]) : deadline,
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
