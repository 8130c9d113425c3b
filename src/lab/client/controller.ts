import { type Json, parseJson } from './json.ts';

/** Nobody answers: exit code 20. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
}
/** No answer in time: exit code 21. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}
/** An answer that is no LINSTOR answer: exit code 22. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

export type Fetch = (url: string, init: RequestInit & { tls?: unknown }) => Promise<Response>;

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH' | 'OPTIONS';
  readonly path: string;
  readonly query?: readonly (readonly [string, string])[];
  readonly body?: Json;
}

export interface RestAnswer {
  readonly status: number;
  readonly body: Json;
}

/** `linstor://host[:port]`, `linstor+ssl://…`, `http(s)://…`, `host[:port]` as a base URL (linstor-behaviour §8). */
export function baseUrl(controller: string): string {
  const [, scheme = 'linstor', host = ''] = /^(?:([a-z+]+):\/\/)?(.*?)\/*$/.exec(controller.trim()) ?? [];
  const secure = scheme === 'https' || scheme === 'linstor+ssl';
  const bare = host.startsWith('[') ? /^(\[.*?\])(?::(\d+))?$/.exec(host) : /^([^:]*)(?::(\d+))?$/.exec(host);
  const port = bare?.[2] ?? (secure ? '3371' : '3370');
  return `${secure ? 'https' : 'http'}://${bare?.[1] ?? host}:${port}`;
}

const shown = (controller: string): string =>
  controller.includes('://') ? controller : `linstor://${controller}`;

export interface ControllerOptions {
  readonly controllers: readonly string[];
  readonly fetch: Fetch;
  readonly timeoutMs: number;
  readonly tls?: { readonly cert?: string; readonly key?: string; readonly ca?: string };
  readonly credentials?: string;
  /** Where connection troubles are told as they happen. */
  readonly onTrouble: (line: string) => void;
}

/** The first controller of the list that accepts a connection; found once, as the real client does. */
export class Controller {
  readonly #options: ControllerOptions;
  #base: string | undefined;
  #name = '';

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  get name(): string {
    return shown(this.#name);
  }

  async connect(): Promise<void> {
    if (this.#base !== undefined) return;
    for (const controller of this.#options.controllers) {
      const base = baseUrl(controller);
      try {
        const response = await this.#send(base, { method: 'GET', path: '/v1/controller/version' }, 3000);
        await response.body?.cancel();
        const moved = response.status === 302 ? response.headers.get('Location') : null;
        this.#base = moved ? new URL(moved).origin : base;
        this.#name = controller;
        return;
      } catch (error) {
        const reason =
          error instanceof Error &&
          /refused|ConnectionRefused/i.test(`${error.message} ${(error as { code?: string }).code}`)
            ? '[Errno 111] Connection refused'
            : error instanceof Error
              ? error.message
              : String(error);
        this.#options.onTrouble(`Error: Unable to connect to ${shown(controller)}: ${reason}\n`);
      }
    }
    throw new ConnectionError('no controller answers');
  }

  async ask(request: RestRequest): Promise<RestAnswer> {
    await this.connect();
    let text: string;
    let status: number;
    try {
      const response = await this.#send(this.#base ?? '', request, this.#options.timeoutMs);
      status = response.status;
      text = await response.text();
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError')
        throw new TimeoutError(
          `Socket timeout, no data received for more than ${this.#options.timeoutMs / 1000}s.`,
        );
      throw new ConnectionError(
        `Unable to connect to ${this.name}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (text === '') return { status, body: null };
    try {
      return { status, body: parseJson(text) };
    } catch {
      throw new ReplyError(`Unable to parse REST json data: ${text.slice(0, 200)}`);
    }
  }

  #send(base: string, request: RestRequest, timeoutMs: number): Promise<Response> {
    const query = request.query?.length
      ? `?${request.query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`
      : '';
    const { tls, credentials } = this.#options;
    return this.#options.fetch(`${base}${request.path}${query}`, {
      method: request.method,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(request.body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(credentials === undefined
          ? {}
          : { Authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...(tls === undefined ? {} : { tls: { ...tls, rejectUnauthorized: tls.ca !== undefined } }),
    });
  }
}
