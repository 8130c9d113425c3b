import { type FetchOptions, type FetchResponse, ofetch } from 'ofetch';
import { DriverError } from '../errors.ts';
import type { ControllerSettings } from '../opennebula/settings.ts';
import { address, baseUrl, type Controller, parseControllers, redirected } from './controllers.ts';
import { dial } from './dial.ts';
import { classify, type Failure, failureError } from './failure.ts';
import { type CallHook, type LinstorHooks, sleepOf } from './hooks.ts';
import { loadTls, type TlsMaterial, usesTlsFiles } from './tls.ts';

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
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

type Attempt = { readonly answer: FetchResponse<string> } | { readonly failure: Failure };

/** A proxy answers for a controller that is not there. */
const gatewayStatus = new Set([502, 503, 504]);

function authorization(settings: ControllerSettings): Record<string, string> {
  if (settings.token) return { authorization: `Bearer ${settings.token}` };
  if (!settings.username) return {};
  const pair = Buffer.from(`${settings.username}:${settings.password ?? ''}`, 'utf8').toString('base64');
  return { authorization: `Basic ${pair}` };
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
  #tls: TlsMaterial | undefined;

  constructor(settings: ControllerSettings, hooks: LinstorHooks = {}) {
    this.#settings = settings;
    this.#hooks = hooks;
    this.#deadlines = { ...defaultDeadlines, ...hooks.deadlines };
    this.#controllers = parseControllers(settings.controllers, usesTlsFiles(settings));
    this.#call = hooks.onCall ?? (() => undefined);
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
    for (let pause = 500; ; pause = Math.min(pause * 1.5, 2_000)) {
      const refusals = await this.#dialAll();
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
    const options = this.#options(controller, request, stop, read);
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
      const answer = await ofetch.raw<string, 'text'>(`${baseUrl(controller)}${request.path}`, options);
      report(String(answer.status));
      return { answer };
    } catch (error) {
      const failure = classify(error, stop?.aborted ?? false);
      report(failure.why);
      return { failure };
    }
  }

  #options(
    controller: Controller,
    request: HttpRequest,
    stop: AbortSignal | undefined,
    read: boolean,
  ): FetchOptions<'text'> {
    const deadline = AbortSignal.timeout(read ? this.#deadlines.read : this.#deadlines.write);
    if (controller.scheme === 'https') this.#tls ??= loadTls(this.#settings);
    const options: FetchOptions<'text'> & { tls?: TlsMaterial; proxy?: false } = {
      // Bun's fetch obeys http_proxy, even for localhost: a controller is never behind the proxy of the downloads.
      proxy: false,
      method: request.method,
      responseType: 'text',
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
      ...(controller.scheme === 'https' && this.#tls ? { tls: this.#tls } : {}),
    };
    return options;
  }
}
