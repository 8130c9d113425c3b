import { connect } from 'node:net';
import type { Controller } from './controllers.ts';

/**
 * Can a connection be made? `undefined` when it can, else why not.
 *
 * Done before the first request and never instead of it: only this way "nobody listens" (another controller is
 * tried) can be told from "the answer is late" (it is waited for), and only this way has connecting a
 * deadline of its own (linstor-behaviour §8).
 */
export function dial(controller: Controller, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: controller.host, port: controller.port });
    const finish = (why: string | undefined) => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(timeoutMs, () => finish(`no connection within ${timeoutMs} ms`));
    socket.once('connect', () => finish(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  });
}
