import { isOwners, NOT_OURS } from '../peer.ts';
import type { LabOnedOptions } from './oned.ts';
import { answerRpc, readCall, writeAnswer, writeFault } from './rpc.ts';
import { performRpc } from './rpc-changes.ts';
import type { OneStore } from './store.ts';

export interface ServeOneOptions {
  readonly store: OneStore;
  /** DATASTORE_LOCATION, shown in datastore documents. */
  readonly location: string;
  /** Default: a free one. */
  readonly port?: number;
  readonly hostname?: string;
  /** With it, calls that change something are answered too: they call drivers. */
  readonly changes?: () => LabOnedOptions;
  /** For faults: answer with this HTTP status instead, or `undefined` to answer properly. */
  readonly intercept?: (method: string) => Response | Promise<Response | undefined> | undefined;
}

export interface OneServer {
  /** ONE_XMLRPC */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

const xml = (body: string): Response =>
  new Response(body, { headers: { 'Content-Type': 'text/xml; charset=utf-8' } });

export function serveOne(options: ServeOneOptions): OneServer {
  const server = Bun.serve({
    port: options.port ?? 0,
    // An image is made while its caller waits.
    idleTimeout: 255,
    hostname: options.hostname ?? '127.0.0.1',
    async fetch(request, listener) {
      const peer = listener.requestIP(request);
      if (
        !peer ||
        !isOwners({ remoteAddress: peer.address, remotePort: peer.port, localPort: listener.port ?? 0 })
      )
        return new Response(NOT_OURS, { status: 403 });
      if (new URL(request.url).pathname !== '/RPC2') return new Response('Not Found', { status: 404 });
      if (request.method !== 'POST') return new Response('Method Not Allowed', { status: 405 });
      try {
        const call = readCall(await request.text());
        const intercepted = await options.intercept?.(call.method);
        if (intercepted) return intercepted;
        const result =
          answerRpc(call, options.store.read(), options.location) ??
          (options.changes ? await performRpc(call, options.changes()) : undefined);
        return xml(result ? writeAnswer(result) : writeFault(-506, `Method '${call.method}' not defined`));
      } catch (error) {
        return xml(
          writeFault(
            -503,
            `Call XML not a proper XML-RPC call. ${error instanceof Error ? error.message : ''}`,
          ),
        );
      }
    },
  });
  return {
    url: `http://${server.hostname}:${server.port}/RPC2`,
    port: server.port ?? 0,
    stop: () => server.stop(true),
  };
}
