import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { requireSuccess, runMeasured } from '../process.ts';

/**
 * A real sshd on this machine, under the name `bridge`. `bin` holds an `ssh` that finds it; `countingBin` one that goes
 * through a relay which counts what crosses the wire.
 */
export interface Loopback {
  readonly bin: string;
  readonly countingBin: string;
  /** Bytes in both directions since it was last asked. */
  takeWireBytes(): number;
  stop(): Promise<void>;
}

const sshd = '/usr/sbin/sshd';

/** Undefined where there is no sshd. `more`: further lines of its configuration. */
export async function openLoopback(
  directory: string,
  more: readonly string[] = [],
): Promise<Loopback | undefined> {
  if (!existsSync(sshd)) return undefined;
  mkdirSync(directory, { recursive: true });
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const hostKey = await makeKey(directory, 'host');
  const userKey = await makeKey(directory, 'user');
  const port = await freePort();
  const configuration = join(directory, 'sshd_config');
  writeFileSync(
    configuration,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${userKey}.pub`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      'PidFile none',
      ...more,
      '',
    ].join('\n'),
  );
  const daemon = Bun.spawn([sshd, '-D', '-e', '-f', configuration], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  });
  await waitForPort(port, daemon);
  const relay = await openRelay(port);
  return {
    bin: writeClient(join(directory, 'bin'), port, userKey),
    countingBin: writeClient(join(directory, 'counting'), relay.port, userKey),
    takeWireBytes: relay.take,
    stop: async () => {
      relay.server.close();
      daemon.kill();
      await daemon.exited;
    },
  };
}

async function makeKey(directory: string, name: string): Promise<string> {
  const path = join(directory, name);
  const argv = ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path];
  requireSuccess('ssh-keygen', await runMeasured({ argv, env: { PATH: process.env['PATH'] ?? '' } }));
  return path;
}

function writeClient(bin: string, port: number, key: string): string {
  mkdirSync(bin);
  const configuration = join(bin, 'config');
  writeFileSync(
    configuration,
    `Host bridge\n  HostName 127.0.0.1\n  Port ${port}\n  IdentityFile ${key}\n  IdentitiesOnly yes\n` +
      '  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n',
  );
  writeFileSync(join(bin, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F '${configuration}' "$@"\n`);
  chmodSync(join(bin, 'ssh'), 0o755);
  return bin;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

async function waitForPort(port: number, daemon: Bun.Subprocess<'ignore', 'ignore', 'pipe'>): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (daemon.exitCode !== null) throw new Error(`sshd does not start: ${await daemon.stderr.text()}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    await Bun.sleep(50);
  }
  throw new Error('sshd does not listen');
}

async function openRelay(port: number): Promise<{ port: number; server: Server; take: () => number }> {
  let bytes = 0;
  const server = createServer((incoming) => {
    const outgoing = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      from.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      from.pipe(to);
      from.on('error', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const take = (): number => {
    const taken = bytes;
    bytes = 0;
    return taken;
  };
  return { port: portOf(server), server, take };
}
