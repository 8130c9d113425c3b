import { ofetch } from 'ofetch';
import { DriverError, toDriverError } from '../errors.ts';
import { inWords } from '../network-words.ts';
import { type Environment, findAccess } from './session.ts';
import { decodeReply, encodeCall, type Parameter, type Reply } from './xmlrpc.ts';

/** One call, for the log. Never the session. */
export interface OneCallEntry {
  readonly kind: 'one';
  readonly verb: string;
  readonly target: string;
  readonly ms: number;
  readonly outcome: string;
}

export interface OnedClientOptions {
  readonly env: Environment;
  /** oneadmin's home; default /var/lib/one. */
  readonly varLocation?: string;
  /** Milliseconds for one call; default 30 000, as OpenNebula's own client. */
  readonly deadlineMs?: number;
  /** Ends a call under way. One that has fired before is ignored: undo steps still have to ask. */
  readonly signal?: AbortSignal;
  readonly sleep?: (ms: number) => Promise<void>;
  readonly onCall?: (entry: OneCallEntry) => void;
}

export const oneDeadlineMs = 30_000;

/** A restart of oned takes a moment; refused connections are tried again after these pauses (milliseconds). */
const pauses = [100, 300, 900] as const;

/** oned's error codes (contract §8.2). */
const noExists = 0x0400;
const rpcApi = 0x1000;
const internal = 0x2000;

/** XML-RPC over HTTP. Reading calls only: that is why a refused connection may be tried again. */
export class OnedClient {
  readonly #options: OnedClientOptions;

  constructor(options: OnedClientOptions) {
    this.#options = options;
  }

  /** Body of a successful answer. Throws ONE_NOT_FOUND, ONE_REFUSED, ONE_UNREACHABLE, INTERRUPTED. */
  async call(method: string, ...parameters: readonly Parameter[]): Promise<string> {
    return bodyOf(method, await this.#exchange(method, parameters));
  }

  /**
   * The same with `extra` parameters that only newer releases know: without them once more when oned complains
   * about the call itself and not about its object (contract §8.2: 5.10 may refuse them).
   */
  async callWithExtra(
    method: string,
    parameters: readonly Parameter[],
    extra: readonly Parameter[],
  ): Promise<string> {
    const reply = await this.#exchange(method, [...parameters, ...extra]);
    const aboutCall =
      reply.kind === 'fault' || (reply.kind === 'failure' && [rpcApi, internal].includes(reply.code));
    return aboutCall ? this.call(method, ...parameters) : bodyOf(method, reply);
  }

  async #exchange(method: string, parameters: readonly Parameter[]): Promise<Reply> {
    const started = performance.now();
    const log = (outcome: string): void =>
      this.#options.onCall?.({
        kind: 'one',
        verb: method,
        target: parameters.join(' '),
        ms: Math.round(performance.now() - started),
        outcome,
      });
    try {
      const reply = decodeReply(await this.#post(method, parameters));
      log(reply.kind === 'success' ? 'ok' : `${reply.kind} ${reply.code}`);
      return reply;
    } catch (error) {
      log(toDriverError(error).code);
      throw error;
    }
  }

  async #post(method: string, parameters: readonly Parameter[]): Promise<string> {
    const { endpoint, session } = findAccess(this.#options.env, this.#options.varLocation);
    const body = encodeCall(method, [session, ...parameters]);
    const sleep = this.#options.sleep ?? Bun.sleep;
    for (const pause of pauses) {
      try {
        return await this.#once(endpoint, body);
      } catch (error) {
        if (codeOf(error) !== 'ECONNREFUSED') throw this.#unreachable(endpoint, error);
        await sleep(pause);
      }
    }
    try {
      return await this.#once(endpoint, body);
    } catch (error) {
      throw this.#unreachable(endpoint, error);
    }
  }

  async #once(endpoint: string, body: string): Promise<string> {
    const deadline = AbortSignal.timeout(this.#options.deadlineMs ?? oneDeadlineMs);
    const stop = this.#options.signal?.aborted ? undefined : this.#options.signal;
    try {
      const response = await ofetch.raw(endpoint, {
        method: 'POST',
        body,
        headers: { 'content-type': 'text/xml' },
        signal: stop ? AbortSignal.any([stop, deadline]) : deadline,
        retry: false,
        ignoreResponseError: true,
        responseType: 'text',
        parseResponse: (text: string) => text,
        ...withoutProxy,
      });
      if (response.status === 200) return String(response._data ?? '');
      throw new DriverError(
        'ONE_UNREACHABLE',
        `${shown(endpoint)} answered with HTTP status ${response.status}`,
      );
    } catch (error) {
      // The reason of the stop may be any value; fetch throws it as it is.
      if (stop?.aborted)
        throw new DriverError('INTERRUPTED', 'stopped while oned was asked', { cause: error });
      throw error;
    }
  }

  #unreachable(endpoint: string, error: unknown): DriverError {
    if (error instanceof DriverError) return error;
    if (isTimeout(error)) {
      const seconds = (this.#options.deadlineMs ?? oneDeadlineMs) / 1000;
      return new DriverError(
        'ONE_UNREACHABLE',
        `oned at ${shown(endpoint)} did not answer within ${seconds} s`,
        { cause: error },
      );
    }
    const code = codeOf(error);
    const reason =
      code === undefined ? (error instanceof Error ? error.message : String(error)) : inWords(code);
    return new DriverError('ONE_UNREACHABLE', `oned cannot be reached at ${shown(endpoint)}: ${reason}`, {
      cause: error,
    });
  }
}

/**
 * oneadmin's environment may name a proxy, for marketplaces. It is not for oned, whose own client goes directly;
 * the session must not travel through it.
 */
const withoutProxy = { proxy: false } as object;

function bodyOf(method: string, reply: Reply): string {
  if (reply.kind === 'success') return reply.body;
  if (reply.kind === 'failure' && reply.code === noExists)
    throw new DriverError('ONE_NOT_FOUND', reply.message);
  if (reply.kind === 'failure')
    throw new DriverError('ONE_REFUSED', `oned refused ${method}: ${reply.message}`);
  throw new DriverError('ONE_REFUSED', `oned refused ${method}: fault ${reply.code}, ${reply.message}`);
}

/** True for an error of ours that stands for a call that took too long. */
export function isTimeout(error: unknown): boolean {
  return causes(error).some((inner) => inner.name === 'TimeoutError');
}

function codeOf(error: unknown): string | undefined {
  for (const inner of causes(error)) {
    const { code } = inner as { code?: unknown };
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** The error itself and what it was caused by: ofetch wraps what fetch throws. */
function causes(error: unknown): Error[] {
  const found: Error[] = [];
  for (let inner: unknown = error; inner instanceof Error; inner = inner.cause) found.push(inner);
  return found;
}

/** An endpoint may carry a password. */
function shown(endpoint: string): string {
  return endpoint.replace(/\/\/[^/@]*@/, '//');
}
