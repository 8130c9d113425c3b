import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to one call on its way. */
export type Strike =
  /** Answered with this status and text, not carried out. */
  | { readonly kind: 'answer'; readonly status: number; readonly text: string }
  | { readonly kind: 'drop-before' }
  /** Carried out, the answer is lost. */
  | { readonly kind: 'lose' }
  /** Carried out, the answer is lost, and nothing answers any more until `mend`. */
  | { readonly kind: 'gone' }
  /** Carried out, the answer is lost, and nobody accepts connections here any more until `mend`; `after` runs before anybody knows. */
  | { readonly kind: 'dies'; readonly before: () => void; readonly after: () => Promise<void> }
  | { readonly kind: 'truncate' }
  /** Carried out; what comes back is changed. */
  | { readonly kind: 'rewrite'; readonly change: (text: string) => string }
  /** `held` runs while the call waits; then it is carried out, or not. */
  | { readonly kind: 'hold'; readonly held: () => Promise<void>; readonly execute: boolean }
  /** `before` runs, the call is carried out, `after` runs. */
  | { readonly kind: 'around'; readonly before: () => void; readonly after: () => void };

export interface Aim {
  /** A call as `seen` lists it. */
  readonly call: string;
  /** 0: the first of its kind. */
  readonly nth: number;
  readonly strike: Strike;
}

export interface ProxyOptions {
  /** Names a call, equal in every run of the same action. */
  readonly name: (method: string, path: string, body: string) => string;
  /** Throws when the connection shall break. */
  readonly backend: (request: Request) => Promise<Response>;
}

class Cut extends Error {}

/**
 * Stands between the driver and a server, counts the calls and does to one of them what it is told. `node:http`, because
 * a connection that breaks is a socket that closes without an answer.
 */
export class FaultProxy {
  readonly #options: ProxyOptions;
  #server = this.#newServer();
  readonly #port: number;
  #listening = true;
  #seen: string[] = [];
  #aim: Aim | undefined;
  #gone = false;
  #pending = 0;
  struck = false;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#server.listen(0, '127.0.0.1');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #newServer(): ReturnType<typeof createServer> {
    const server = createServer((request, response) => void this.#respond(request, response));
    server.on('error', () => undefined);
    return server;
  }

  /** Connections are refused. */
  down(): void {
    if (!this.#listening) return;
    this.#listening = false;
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** On the same port as before. */
  up(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#server = this.#newServer();
    this.#server.listen(this.#port, '127.0.0.1');
    if (this.#server.address() === null) throw new Error(`port ${this.#port} has been taken meanwhile`);
  }

  get port(): number {
    return this.#port;
  }

  /** Calls since `mend`, in order. */
  get seen(): readonly string[] {
    return this.#seen;
  }

  aim(aim: Aim): void {
    this.#aim = aim;
  }

  /** No fault any more; counting begins anew. */
  mend(): void {
    this.up();
    this.#aim = undefined;
    this.#gone = false;
    this.#seen = [];
    this.struck = false;
  }

  /** Calls that are still being carried out, also for clients that are gone. */
  async idle(): Promise<void> {
    while (this.#pending > 0) await Bun.sleep(5);
  }

  async stop(): Promise<void> {
    if (!this.#listening) return;
    this.#listening = false;
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  async #respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    this.#pending += 1;
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const answer = await this.#answer(incoming, Buffer.concat(chunks).toString('utf8'));
      const text = await answer.text();
      outgoing.writeHead(answer.status, {
        'content-type': answer.headers.get('content-type') ?? 'application/json',
      });
      outgoing.end(text);
    } catch {
      incoming.socket.destroy();
    } finally {
      this.#pending -= 1;
    }
  }

  async #answer(incoming: IncomingMessage, body: string): Promise<Response> {
    const method = incoming.method ?? 'GET';
    const path = incoming.url ?? '/';
    if (this.#gone) throw new Cut('the server is gone');
    const execute = (): Promise<Response> =>
      this.#options.backend(
        new Request(`http://lab${path}`, {
          method,
          ...(body !== '' && method !== 'GET' ? { body } : {}),
          headers: { 'content-type': incoming.headers['content-type'] ?? 'application/json' },
        }),
      );
    const call = this.#options.name(method, path, body);
    const nth = this.#seen.filter((other) => other === call).length;
    this.#seen.push(call);
    const aim = this.#aim;
    if (!aim || aim.call !== call || aim.nth !== nth) return execute();
    this.#aim = undefined;
    this.struck = true;
    return this.#strike(aim.strike, execute);
  }

  async #strike(strike: Strike, execute: () => Promise<Response>): Promise<Response> {
    switch (strike.kind) {
      case 'answer':
        return new Response(strike.text, { status: strike.status });
      case 'drop-before':
        throw new Cut('dropped');
      case 'lose':
        await execute();
        throw new Cut('answer lost');
      case 'gone':
        await execute();
        this.#gone = true;
        throw new Cut('the server is gone');
      case 'dies':
        strike.before();
        await execute();
        await strike.after();
        this.down();
        throw new Cut('the server is gone');
      case 'truncate': {
        const answer = await execute();
        const text = await answer.text();
        return new Response(text.slice(0, Math.floor(text.length / 2)), { status: answer.status });
      }
      case 'rewrite': {
        const answer = await execute();
        return new Response(strike.change(await answer.text()), { status: answer.status });
      }
      case 'hold':
        await strike.held();
        if (!strike.execute) throw new Cut('dropped');
        return execute();
      case 'around':
        strike.before();
        try {
          return await execute();
        } finally {
          strike.after();
        }
    }
  }
}
