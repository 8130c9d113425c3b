import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { scpScript, sshScript } from './ssh-script.ts';
import { syncScript } from './sync-script.ts';

/**
 * How hosts get a file tree of their own below the datastore location:
 *
 * - `root`: a mount namespace, as root;
 * - `user`: a user and mount namespace, without root;
 * - `none`: neither is allowed here; all hosts and the front-end share one tree.
 */
export type Isolation = 'root' | 'user' | 'none';

export interface LabHostsOptions {
  /** The lab's directory; `bin/` and `hosts/` are made in it. */
  readonly dir: string;
  readonly names: readonly string[];
  /** DATASTORE_LOCATION: one path on the front-end and on every host. */
  readonly location: string;
  /** Default: the best that works here. */
  readonly isolation?: Isolation;
}

/** A host has a name of its own. */
const unameScript = `#!/bin/sh
case $* in
  -n) printf '%s\\n' "$LAB_HOST" ;;
  *) PATH=/usr/local/bin:/usr/bin:/bin exec uname "$@" ;;
esac
`;

/** Tries it out: containers and hardened kernels refuse one or both. */
export function detectIsolation(): Isolation {
  const works = (flags: string): boolean =>
    Bun.spawnSync(['unshare', flags, '--propagation', 'private', '--', 'mount', '--bind', '/tmp', '/tmp'], {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'ignore',
    }).success;
  try {
    if (process.getuid?.() === 0 && works('-m')) return 'root';
    return works('-rm') ? 'user' : 'none';
  } catch {
    return 'none';
  }
}

/** Makes `<dir>/bin/ssh`, `scp` and a directory per host. Repeating it adds hosts and keeps what is there. */
export function createHosts({
  dir,
  names,
  location,
  isolation = detectIsolation(),
}: LabHostsOptions): Isolation {
  mkdirSync(join(dir, 'bin'), { recursive: true });
  mkdirSync(location, { recursive: true });
  for (const [name, text] of [
    ['ssh', sshScript],
    ['scp', scpScript],
  ] as const) {
    const path = join(dir, 'bin', name);
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }
  for (const name of names) {
    if (!/^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(name)) throw new Error(`not a host name: ${name}`);
    for (const part of ['home', 'datastores', 'bin'])
      mkdirSync(join(dir, 'hosts', name, part), { recursive: true });
    writeFileSync(join(dir, 'hosts', name, 'bin/sync'), syncScript, { mode: 0o755 });
    writeFileSync(join(dir, 'hosts', name, 'bin/uname'), unameScript, { mode: 0o755 });
  }
  writeFileSync(join(dir, 'hosts', '.isolation'), `${isolation}\t${location}\n`);
  return isolation;
}

/** More paths that are a host's own, in this order: `from`, with what is mounted below, is shown on that host at `to`. Needs isolation. */
export function setMounts(dir: string, host: string, mounts: readonly { from: string; to: string }[]): void {
  for (const { from, to } of mounts) {
    mkdirSync(from, { recursive: true });
    mkdirSync(to, { recursive: true });
  }
  writeFileSync(hostPath(dir, host, 'mounts'), mounts.map(({ from, to }) => `${from}\t${to}\n`).join(''));
}

export function hostNames(dir: string): string[] {
  return readdirSync(join(dir, 'hosts'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

export function isolationOf(dir: string): Isolation {
  const [isolation = 'none'] = readFileSync(join(dir, 'hosts', '.isolation'), 'utf8').split('\t');
  return isolation as Isolation;
}

/** Where a path below the datastore location of `host` really is on this machine. */
export function pathOnHost(dir: string, host: string, path: string): string {
  const [isolation, location = ''] = readFileSync(join(dir, 'hosts', '.isolation'), 'utf8')
    .trimEnd()
    .split('\t');
  const normal = path.replaceAll(/\/+/g, '/');
  if (isolation === 'none' || !`${normal}/`.startsWith(`${location}/`)) return normal;
  return join(dir, 'hosts', host, 'datastores', normal.slice(location.length));
}

/** Starts (or restarts) keeping the text of every command that reaches the host. */
export function traceCommands(dir: string, host: string): void {
  writeFileSync(hostPath(dir, host, 'commands'), '');
}

export function tracedCommands(dir: string, host: string): string[] {
  const path = hostPath(dir, host, 'commands');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\0').slice(0, -1) : [];
}

export function hostPath(dir: string, host: string, name: string): string {
  const path = join(dir, 'hosts', host);
  try {
    accessSync(path, constants.W_OK);
  } catch {
    throw new Error(`the lab has no host ${host} (known: ${hostNames(dir).join(', ')})`);
  }
  return join(path, name);
}
