import type { ControllerSettings } from '../../src/opennebula/settings.ts';

export interface SeenRequest {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly body: string;
  readonly authorization: string | null;
}

export interface FakeController {
  readonly url: string;
  readonly port: number;
  readonly seen: SeenRequest[];
  stop(): Promise<void>;
}

type Answer = (request: SeenRequest) => Response | Promise<Response>;

/** A server on a free port that answers what a test wants and remembers what it was asked. */
export function fakeController(answer: Answer, tls?: Bun.TLSOptions): FakeController {
  const seen: SeenRequest[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    ...(tls ? { tls } : {}),
    async fetch(request) {
      const url = new URL(request.url);
      const one = {
        method: request.method,
        path: url.pathname + url.search,
        body: await request.text(),
        authorization: request.headers.get('authorization'),
      };
      seen.push(one);
      return answer(one);
    },
  });
  const port = server.port ?? 0;
  return { url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, port, seen, stop: () => server.stop(true) };
}

export function json(text: string, status = 200): Response {
  return new Response(text, { status, headers: { 'content-type': 'application/json' } });
}

/** A version document; `rest` e.g. `1.27.0`. */
export function version(rest: string, server = '1.33.3'): Response {
  return json(`{"version":"${server}","rest_api_version":"${rest}"}`);
}

export interface RawServer {
  readonly url: string;
  /** Requests that arrived whole. */
  readonly requests: () => number;
  stop(): void;
}

/** Below HTTP: `react` gets the socket once a request has arrived. */
export function rawServer(react: (socket: Bun.Socket) => void): RawServer {
  let requests = 0;
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data(socket) {
        requests += 1;
        react(socket);
      },
    },
  });
  return {
    url: `http://127.0.0.1:${listener.port}`,
    requests: () => requests,
    stop: () => listener.stop(true),
  };
}

/** A port on which nobody listens. */
export function deadPort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

export function settingsFor(
  controllers: readonly string[],
  more: Partial<ControllerSettings> = {},
): ControllerSettings {
  return { controllers, transport: 'rest', linstorCommand: 'linstor', ...more };
}
