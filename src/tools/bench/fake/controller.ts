/** A controller that only answers: prepared documents by path, and a count of what was asked. */
export class FakeController {
  readonly #bodies: Map<string, Uint8Array>;
  readonly #server: Bun.Server<undefined>;
  #calls: string[] = [];

  constructor(documents: ReadonlyMap<string, unknown>) {
    const encode = (document: unknown): Uint8Array => Buffer.from(toJson(document));
    this.#bodies = new Map([...documents].map(([path, document]) => [path, encode(document)]));
    this.#server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: (request) => this.#answer(request) });
  }

  get address(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Calls since it was last asked. */
  takeCalls(): string[] {
    const calls = this.#calls;
    this.#calls = [];
    return calls;
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  #answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    this.#calls.push(`${request.method} ${pathname}`);
    const body = request.method === 'GET' ? this.#bodies.get(pathname) : undefined;
    const headers = { 'content-type': 'application/json' };
    return body ? new Response(body, { headers }) : new Response('[]', { status: 404, headers });
  }
}

/** LINSTOR's capacities of diskless pools are whole numbers that no double holds. */
function toJson(document: unknown): string {
  const marked = JSON.stringify(document, (_key, value: unknown) =>
    typeof value === 'bigint' ? `bigint:${value}` : value,
  );
  return marked.replaceAll(/"bigint:(\d+)"/g, '$1');
}
