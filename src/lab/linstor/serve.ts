import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Ends, isOwners, NOT_OURS } from '../peer.ts';
import { createLab, Dropped, type Lab, type LabOptions } from './lab.ts';

export interface ServeOptions extends LabOptions {
  /** 0 or absent: any free one. */
  readonly port?: number;
  readonly hostname?: string;
}

export interface ServedLab {
  readonly lab: Lab;
  /** `http://127.0.0.1:3370` */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * The simulated LINSTOR behind a port. One process owns a directory; several clients may talk to it at
 * once. Throws when the port is taken. `node:http` rather than `Bun.serve`: a dropped connection has to
 * be a socket that closes without an answer, and only here the socket can be had.
 */
export function serveLinstor(options: ServeOptions): ServedLab {
  const lab = createLab(options);
  try {
    const front = serveLab(lab, options);
    const stop = async () => {
      lab.close();
      await front.stop();
    };
    return { ...front, stop };
  } catch (error) {
    lab.close();
    throw error;
  }
}

/**
 * One more address for a lab that runs already: a second controller of the same cluster. Stopping it
 * leaves the lab alone, as a controller that dies leaves the cluster.
 */
export function serveLab(lab: Lab, options: { port?: number; hostname?: string } = {}): ServedLab {
  const hostname = options.hostname ?? '127.0.0.1';
  // One look for each connection: it belongs to the same user for as long as it lasts.
  const known = new WeakMap<object, boolean>();
  const server = createServer((request, response) => {
    const { socket } = request;
    const ours = known.get(socket) ?? isOwners(endsOf(socket));
    known.set(socket, ours);
    if (ours) void respond(lab, request, response);
    else response.writeHead(403, { 'Content-Type': 'text/plain', Connection: 'close' }).end(NOT_OURS);
  });
  server.on('error', () => undefined);
  server.listen(options.port ?? 0, hostname);
  // Bun binds while `listen` runs; without an address the port was taken.
  const address = server.address() as AddressInfo | null;
  if (!address) {
    throw new Error(`port ${options.port} on ${hostname} is in use`);
  }
  const { port } = address;
  return {
    lab,
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`,
    port,
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

const endsOf = ({ remoteAddress = '', remotePort = 0, localPort = 0 }: Socket): Ends => ({
  remoteAddress,
  remotePort,
  localPort,
});

async function respond(lab: Lab, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const method = incoming.method ?? 'GET';
    const request = new Request(`http://lab${incoming.url ?? '/'}`, {
      method,
      ...(body.length > 0 && method !== 'GET' && method !== 'HEAD' ? { body } : {}),
    });
    const answer = await lab.fetch(request);
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
    outgoing.end(Buffer.from(await answer.arrayBuffer()));
  } catch (error) {
    if (error instanceof Dropped) {
      incoming.socket.destroy();
      return;
    }
    console.error(error);
    outgoing.writeHead(500, { 'Content-Type': 'text/plain' });
    outgoing.end(`lab: ${error instanceof Error ? error.message : String(error)}`);
  }
}
