import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { DriverError } from '../errors.ts';
import { lockFileName } from '../hosts/lock.ts';
import {
  type DriverTarget,
  makeClientLauncher,
  makePersonsLaunchers,
  makeRemotes,
  ownTarget,
  underItsName,
} from './cluster-remotes.ts';
import { createHosts, hostPath, type Isolation, pathOnHost, setMounts } from './hosts/hosts.ts';
import { udevPath } from './linstor/data/files.ts';
import { type LabOne, labOne } from './one/lab-one.ts';
import type { LabOnedOptions } from './one/oned.ts';
import { FileStore } from './one/store.ts';

/** A whole lab in one directory: simulated LINSTOR, hosts, oned, and the drivers' environment. */

export const poolKinds = ['LVM', 'LVM_THIN', 'ZFS', 'ZFS_THIN', 'FILE', 'FILE_THIN'] as const;
export type PoolKind = (typeof poolKinds)[number];
export const generations = ['1.20', '1.27', '1.31', '1.33', '1.35'] as const;

const pool = z.object({
  name: z.string(),
  provider: z.enum(poolKinds),
  sizeKib: z.number().int().positive(),
});

const description = z.object({
  nodes: z.array(z.string()).min(1),
  pools: z.array(pool),
  generation: z.enum(generations),
  devices: z.enum(['file', 'loop']),
  layers: z.array(z.string()),
  isolation: z.enum(['root', 'user', 'none']),
  oneVersion: z.string(),
  /** Known once it has been started; kept for the next start. */
  linstorPort: z.number().optional(),
  onePort: z.number().optional(),
  pid: z.number().optional(),
  /** When that process began: a number that comes round again is another process. */
  started: z.string().optional(),
});

export type LabDescription = z.output<typeof description>;

export interface LabRequest {
  readonly dir: string;
  /** Default node1, node2, node3. */
  readonly nodes?: readonly string[];
  /** On every node; default FILE_THIN `thin` of 8 GiB. */
  readonly pools?: readonly {
    readonly name: string;
    readonly provider: PoolKind;
    readonly sizeKib?: number;
  }[];
  readonly generation?: LabDescription['generation'];
  readonly devices?: 'file' | 'loop';
  /** What the satellites can do; default DRBD, LUKS, STORAGE. */
  readonly layers?: readonly string[];
  readonly isolation?: Isolation;
  /** Release that oned pretends to be. */
  readonly oneVersion?: string;
  /**
   * Hosts also see `/dev/drbd/by-res/…`, as udev makes it, for drivers that look nowhere else. Needs isolation, and the
   * directory `/dev/drbd` on this machine, which is made if it may be.
   */
  readonly byRes?: boolean;
  /** What driver calls execute; default this program. */
  readonly target?: DriverTarget;
}

const eightGib = 8 * 1024 * 1024;
const session = 'oneadmin:lab';

export const labLock = 'lab';
const labLockFile = lockFileName(labLock);

export const labPaths = (dir: string) => {
  const root = resolve(dir);
  return {
    root,
    description: join(root, 'lab.json'),
    bin: join(root, 'bin'),
    linstor: join(root, 'linstor'),
    one: join(root, 'one'),
    store: join(root, 'one/objects.json'),
    auth: join(root, 'one/auth'),
    home: join(root, 'one/home'),
    var: join(root, 'one/var'),
    remotes: join(root, 'one/var/remotes'),
    location: join(root, 'one/var/datastores'),
    images: join(root, 'images'),
    log: join(root, 'lab.log'),
    locks: join(root, 'one/locks'),
    driverLog: join(root, 'one/var/linstor_un.log'),
  };
};

export function readDescription(dir: string): LabDescription {
  const path = labPaths(dir).description;
  if (!existsSync(path)) throw new Error(`there is no lab in ${resolve(dir)}`);
  return description.parse(JSON.parse(readFileSync(path, 'utf8')));
}

export function writeDescription(dir: string, value: LabDescription): void {
  const { description: path } = labPaths(dir);
  writeFileSync(`${path}.new`, `${JSON.stringify(value, undefined, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** Lays the directory out; nothing runs yet. Throws when there is a lab already. */
export function createCluster(request: LabRequest): Cluster {
  const paths = labPaths(request.dir);
  if (existsSync(paths.description)) throw new Error(`there is a lab already in ${paths.root}`);
  const nodes = request.nodes ?? ['node1', 'node2', 'node3'];
  const oneVersion = request.oneVersion ?? '7.2.0';
  refuseForeign(paths.root);
  mkdirSync(paths.root, { recursive: true });
  // Disks, the session and sockets are in it: it is nobody's but its owner's.
  chmodSync(paths.root, 0o700);
  for (const path of [
    paths.bin,
    paths.home,
    paths.location,
    paths.images,
    paths.locks,
    join(paths.one, 'etc'),
  ])
    mkdirSync(path, { recursive: true });
  const isolation = createHosts({
    dir: paths.root,
    names: nodes,
    location: paths.location,
    ...(request.isolation ? { isolation: request.isolation } : {}),
  });
  const byRes = request.byRes === true;
  if (byRes) requireDrbdDirectory(isolation);
  if (isolation !== 'none')
    for (const name of nodes) showOwnDevices({ dir: paths.root, linstor: paths.linstor, nodes, byRes }, name);
  const target = underItsName(request.target ?? ownTarget(), paths.one);
  makeRemotes(paths.remotes, target, oneVersion);
  makeClientLauncher(paths.bin, target);
  makePersonsLaunchers(paths.bin, target);
  writeFileSync(paths.auth, `${session}\n`, { mode: 0o600 });
  // Usage of VM disks is sent by datagram: never to a real OpenNebula that may run on this machine (port 9 is discard).
  writeFileSync(
    join(paths.one, 'etc/monitord.conf'),
    'NETWORK = [ MONITOR_ADDRESS = "127.0.0.1", PORT = 9 ]\n',
  );
  FileStore.create(paths.store, session).update((state) => {
    state.version = oneVersion;
    for (const name of nodes) state.hosts.push({ id: state.nextId.host++, name, state: 2 });
  });
  writeDescription(paths.root, {
    nodes: [...nodes],
    pools: (request.pools ?? [{ name: 'thin', provider: 'FILE_THIN' as const }]).map((each) => ({
      sizeKib: eightGib,
      ...each,
    })),
    generation: request.generation ?? '1.33',
    devices: request.devices ?? 'file',
    layers: [...(request.layers ?? ['DRBD', 'LUKS', 'STORAGE'])],
    isolation,
    oneVersion,
  });
  return new Cluster(paths.root);
}

/** `lab down` removes the whole directory: nothing may be in it that is not the lab's. */
function refuseForeign(root: string): void {
  const there = existsSync(root) ? readdirSync(root).filter((name) => name !== labLockFile) : [];
  if (there.length > 0)
    throw new DriverError(
      'LAB',
      `${root} is not empty (${there.slice(0, 3).join(', ')}${there.length > 3 ? ', …' : ''})`,
      { remedy: 'a lab needs a directory of its own: choose another with --dir' },
    );
}

const drbdDirectory = '/dev/drbd';

/** It is what is mounted over, in the hosts' namespaces only; empty, it is not worth removing: another lab may be about to use it. */
function requireDrbdDirectory(isolation: Isolation): void {
  const remedy = 'hosts with /dev/drbd/by-res need root, or mount namespaces and the directory /dev/drbd';
  if (isolation === 'none')
    throw new DriverError('LAB', 'hosts have no devices of their own here', { remedy });
  try {
    mkdirSync(drbdDirectory, { recursive: true });
  } catch (error) {
    throw new DriverError('LAB', error instanceof Error ? error.message : String(error), { remedy });
  }
}

interface DeviceViews {
  readonly dir: string;
  readonly linstor: string;
  readonly nodes: readonly string[];
  readonly byRes: boolean;
}

/**
 * On a host only its own device nodes are to be seen, and under every node's path: `/dev/drbd1000` is one path on all
 * real nodes, so drivers take the one that another node reports.
 */
function showOwnDevices({ dir, linstor, nodes, byRes }: DeviceViews, node: string): void {
  const view = hostPath(dir, node, 'devices');
  setMounts(dir, node, [
    ...(byRes ? [{ from: udevPath(linstor, node), to: drbdDirectory }] : []),
    { from: join(linstor, 'dev', node), to: join(view, node) },
    { from: view, to: join(linstor, 'dev') },
  ]);
  for (const other of nodes) {
    if (other !== node) symlinkSync(node, join(view, other));
  }
}

/** A lab that is there; its servers may run or not. */
export class Cluster {
  readonly dir: string;
  readonly paths: ReturnType<typeof labPaths>;

  constructor(dir: string) {
    this.paths = labPaths(dir);
    this.dir = this.paths.root;
  }

  get description(): LabDescription {
    return readDescription(this.dir);
  }

  get linstorUrl(): string {
    return `http://127.0.0.1:${this.#port('linstorPort')}`;
  }

  get oneUrl(): string {
    return `http://127.0.0.1:${this.#port('onePort')}/RPC2`;
  }

  #port(name: 'linstorPort' | 'onePort'): number {
    const port = this.description[name];
    if (port === undefined)
      throw new DriverError('LAB', `the lab in ${this.dir} has never been started`, {
        remedy: 'start it with `linstor_un lab up`',
      });
    return port;
  }

  /** What a driver, started by the lab's oned, finds in its environment; and what a person needs to look around. */
  driverEnv(): Record<string, string> {
    const { paths } = this;
    return {
      PATH: `${paths.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: paths.home,
      LANG: 'C',
      ONE_LOCATION: paths.one,
      ONE_AUTH: paths.auth,
      ONE_XMLRPC: this.oneUrl,
      LS_CONTROLLERS: this.linstorUrl,
      DATASTORE_LOCATION: paths.location,
      // OpenNebula's own scripts put /usr/bin before everything in PATH; these two they take from here (scripts_common.sh).
      SSH: join(paths.bin, 'ssh'),
      SSH_FWD: join(paths.bin, 'ssh'),
      // Neither another lab nor an installation on this machine is waited for or written to.
      LINSTOR_UN_LOCKS: paths.locks,
      LINSTOR_UN_LOG: paths.driverLog,
    };
  }

  onedOptions(more: Partial<LabOnedOptions> = {}): LabOnedOptions {
    return {
      store: new FileStore(this.paths.store),
      remotes: this.paths.remotes,
      cwd: this.paths.var,
      env: this.driverEnv(),
      location: this.paths.location,
      ...more,
    };
  }

  /** The file behind `path` as `host` sees it: a link of the datastore's, then a device node of its own. */
  fileOnHost(host: string, path: string): string {
    const shown = pathOnHost(this.dir, host, path);
    const first = lstatSync(shown).isSymbolicLink() ? readlinkSync(shown) : shown;
    const byRes = first.startsWith(`${drbdDirectory}/`)
      ? join(udevPath(this.paths.linstor, host), first.slice(drbdDirectory.length))
      : undefined;
    const target = byRes !== undefined && existsSync(byRes) ? readlinkSync(byRes) : first;
    const devices = join(this.paths.linstor, 'dev');
    if (this.description.isolation === 'none' || !target.startsWith(`${devices}/`)) return target;
    return join(devices, host, target.slice(devices.length + 1).replace(/^[^/]*\//, ''));
  }

  /** oned's side: one function per operator's command. */
  one(more: Partial<LabOnedOptions> = {}): LabOne {
    return labOne(this.onedOptions(more));
  }

  /** The whole directory; stop the servers first. */
  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
