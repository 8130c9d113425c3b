import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { ActionHandler, Call } from '../../src/actions/action.ts';
import type { Context } from '../../src/context.ts';
import type { Log } from '../../src/effects.ts';
import { type DriverError, toDriverError } from '../../src/errors.ts';
import type { HostCommand, HostResult, Hosts } from '../../src/hosts/hosts.ts';
import { Locks } from '../../src/hosts/lock.ts';
import { SshHosts } from '../../src/hosts/ssh.ts';
import { createHosts, detectIsolation, pathOnHost } from '../../src/lab/hosts/hosts.ts';
import type { LayerKind } from '../../src/linstor/linstor.ts';
import { readConfig } from '../../src/opennebula/config-file.ts';
import { parseDatastore, parseVm } from '../../src/opennebula/documents.ts';
import type { Attributes, One } from '../../src/opennebula/one.ts';
import type { OneChanges } from '../../src/opennebula/one-changes.ts';
import { readSettings } from '../../src/opennebula/read-settings.ts';
import { type LcmState, lcm } from '../../src/opennebula/states.ts';
import { escapeXml } from '../../src/opennebula/xml.ts';
import { Undo } from '../../src/undo.ts';
import { FakeLinstor, type FakeLinstorOptions } from './fake-linstor.ts';

/**
 * Three hosts with file trees of their own, a front-end, a LINSTOR in memory whose device nodes are files on the hosts, and
 * an OpenNebula that knows one VM. The scripts run for real.
 */

/** Without a mount namespace all hosts would share one tree. */
export const isolated = detectIsolation() !== 'none';

export interface DiskSpec {
  readonly id: number;
  readonly kind: 'clone' | 'volatile' | 'persistent' | 'cdrom' | 'immutable' | 'shareable';
  readonly image?: number;
  readonly tmMad?: string;
}

export interface VmSpec {
  readonly id: number;
  readonly lcm: LcmState;
  readonly disks: readonly DiskSpec[];
  readonly memoryMib?: number;
  readonly attributes?: Attributes;
}

const kinds: Readonly<Record<DiskSpec['kind'], string>> = {
  clone: '<CLONE>YES</CLONE><SAVE>NO</SAVE><TYPE>BLOCK</TYPE>',
  volatile: '<TYPE>fs</TYPE>',
  persistent: '<CLONE>NO</CLONE><SAVE>YES</SAVE><TYPE>BLOCK</TYPE>',
  cdrom: '<CLONE>NO</CLONE><SAVE>NO</SAVE><TYPE>CDROM</TYPE>',
  immutable: '<CLONE>NO</CLONE><SAVE>NO</SAVE><TYPE>BLOCK</TYPE>',
  shareable: '<CLONE>NO</CLONE><SAVE>YES</SAVE><SHAREABLE>YES</SHAREABLE><TYPE>BLOCK</TYPE>',
};

function diskXml(disk: DiskSpec): string {
  const image =
    disk.kind === 'volatile'
      ? ''
      : `<IMAGE_ID>${disk.image ?? 1}</IMAGE_ID><SOURCE>/dev/drbd/by-res/one-image-${disk.image ?? 1}/0</SOURCE>`;
  const datastore = disk.kind === 'volatile' ? 100 : 1;
  return `<DISK><DISK_ID>${disk.id}</DISK_ID>${image}<DATASTORE_ID>${datastore}</DATASTORE_ID><TM_MAD>${disk.tmMad ?? 'linstor_un'}</TM_MAD>${kinds[disk.kind]}<SIZE>64</SIZE></DISK>`;
}

export function vmXml(vm: VmSpec): string {
  const attributes = Object.entries(vm.attributes ?? {})
    .map(([key, value]) => `<${key}>${escapeXml(value)}</${key}>`)
    .join('');
  return `<VM><ID>${vm.id}</ID><NAME>vm</NAME><STATE>3</STATE><LCM_STATE>${lcm[vm.lcm]}</LCM_STATE><DEPLOY_ID>one-${vm.id}</DEPLOY_ID><TEMPLATE>${attributes}<MEMORY>${vm.memoryMib ?? 512}</MEMORY>${vm.disks.map(diskXml).join('')}</TEMPLATE><HISTORY_RECORDS><HISTORY><SEQ>0</SEQ><HOSTNAME>host1</HOSTNAME><DS_ID>100</DS_ID></HISTORY></HISTORY_RECORDS></VM>`;
}

export function datastoreXml(id: number, tmMad: string, template: Attributes = {}): string {
  const attributes = Object.entries(template)
    .map(([key, value]) => `<${key}>${escapeXml(value)}</${key}>`)
    .join('');
  return `<DATASTORE><ID>${id}</ID><NAME>ds${id}</NAME><TYPE>${id >= 100 ? 1 : 0}</TYPE><DS_MAD>${id >= 100 ? '-' : tmMad}</DS_MAD><TM_MAD>${tmMad}</TM_MAD><BASE_PATH></BASE_PATH><TEMPLATE>${attributes}</TEMPLATE></DATASTORE>`;
}

export interface MovingLabOptions extends Omit<FakeLinstorOptions, 'nodes' | 'onDevice' | 'devicePath'> {
  readonly vm: VmSpec;
  readonly datastore?: Attributes;
  /** TM of system datastore 100; image datastore 1 is always ours. */
  readonly systemTm?: string;
}

export interface Ran {
  readonly reply?: string | undefined;
  readonly error?: DriverError;
}

const noChanges: OneChanges = {
  allocateDatastore: () => Promise.reject(new Error('not expected here')),
  allocateImage: () => Promise.reject(new Error('not expected here')),
  deleteImage: () => Promise.reject(new Error('not expected here')),
  renameImage: () => Promise.reject(new Error('not expected here')),
  giveImage: () => Promise.reject(new Error('not expected here')),
  attachDisk: () => Promise.reject(new Error('not expected here')),
  detachDisk: () => Promise.reject(new Error('not expected here')),
  enableHost: () => Promise.reject(new Error('not expected here')),
  migrateVm: () => Promise.reject(new Error('not expected here')),
};

export class MovingLab {
  readonly dir: string;
  readonly location: string;
  readonly remotes: string;
  readonly linstor: FakeLinstor;
  readonly log: string[] = [];
  /** `ssh host1 link-disk`, in order. */
  readonly calls: string[] = [];
  /** Called when something waits, with the milliseconds that have passed; nothing waits for real. */
  onWait: (now: number) => void = () => undefined;
  vm: VmSpec;
  /** What oned fails with, once for each. */
  readonly oneFailures: Error[] = [];
  readonly #options: MovingLabOptions;
  readonly #hosts: Hosts;

  constructor(options: MovingLabOptions) {
    this.#options = options;
    this.vm = options.vm;
    this.dir = mkdtempSync(join(tmpdir(), 'linstor_un-move-'));
    this.location = join(this.dir, 'datastores');
    this.remotes = join(this.dir, 'var', 'remotes');
    createHosts({ dir: this.dir, names: ['host1', 'host2', 'host3'], location: this.location });
    mkdirSync(this.remotes, { recursive: true });
    writeFileSync(join(this.dir, 'var', 'config'), `SCRIPTS_REMOTE_DIR=${this.dir}/scripts\n`);
    this.linstor = new FakeLinstor({
      ...options,
      nodes: ['host1', 'host2', 'host3'],
      devicePath: (name) => this.device(name),
      onDevice: (node, path, present, layers) => this.#setDevice(node, path, present, layers),
    });
    this.#hosts = this.#makeHosts();
  }

  #setDevice(node: string, path: string, present: boolean, layers: readonly LayerKind[]): void {
    const real = pathOnHost(this.dir, node, path);
    if (!present) {
      rmSync(real, { force: true });
      return;
    }
    mkdirSync(dirname(real), { recursive: true });
    // A sparse file stands for the device; larger than any volume asked for here.
    const file = Bun.spawnSync(['truncate', '-s', '64G', real]);
    if (!file.success) throw new Error(file.stderr.toString());
    if (!layers.includes('DRBD')) return;
    // As udev does.
    const link = join(dirname(real), 'drbd/by-res', basename(path).replace(/_\d{5}$/, ''), '0');
    mkdirSync(dirname(link), { recursive: true });
    rmSync(link, { force: true });
    symlinkSync(`../../../${basename(path)}`, link);
  }

  #makeHosts(): Hosts {
    const env = { PATH: `${this.dir}/bin:${process.env['PATH'] ?? ''}` };
    const ssh = new SshHosts({
      env,
      ownName: 'frontend',
      onCall: (call) => this.calls.push(`${call.kind} ${call.target} ${call.verb}`),
    });
    return {
      onCall: ssh.onCall,
      run: (host: string, command: HostCommand): Promise<HostResult> => ssh.run(host, command),
      local: (command: HostCommand): Promise<HostResult> => ssh.local(command),
      isFrontend: (host: string): boolean => ssh.isFrontend(host),
      sshArgv: (host, command) => {
        const [program, ...rest] = ssh.sshArgv(host, command);
        return program === 'ssh' ? [`${this.dir}/bin/ssh`, ...rest] : [program ?? '', ...rest];
      },
    };
  }

  #one(): One {
    const refuse = (): never => {
      throw new Error('not expected here');
    };
    return {
      vm: async (id) => {
        if (id !== this.vm.id) throw new Error(`no VM ${id}`);
        return parseVm(vmXml(this.vm));
      },
      datastore: async (id) => {
        const failure = this.oneFailures.shift();
        if (failure) throw failure;
        const tm = id === 100 ? (this.#options.systemTm ?? 'linstor_un') : 'linstor_un';
        return parseDatastore(datastoreXml(id, tm, this.#options.datastore));
      },
      image: refuse,
      hosts: refuse,
      datastores: refuse,
      vms: refuse,
      images: refuse,
      marketplaceHosts: refuse,
      hooks: refuse,
      ...noChanges,
      leads: refuse,
      document: () => Promise.reject(new Error('no documents here')),
      version: async () => '7.0.0',
    };
  }

  context(): Context {
    const note = (level: string) => (text: string) => {
      this.log.push(`${level}: ${text}`);
    };
    const log: Log = { debug: note('debug'), info: note('info'), warn: note('warn'), call: () => undefined };
    let now = 0;
    const clock = {
      now: () => now,
      sleep: async (ms: number) => {
        now += ms;
        this.onWait(now);
      },
    };
    const locks = new Locks({ clock, directory: this.dir });
    const config = readConfig({ env: {}, client: {} });
    return {
      one: this.#one(),
      hosts: this.#hosts,
      log,
      clock,
      undo: new Undo(log),
      signal: new AbortController().signal,
      remotes: this.remotes,
      linstor: () => this.linstor,
      settings: (...templates) => readSettings(config, ...templates),
      lock: (name, work, timeoutMs) => locks.run(name, work, timeoutMs),
    };
  }

  /** As the dispatcher does it: failure runs the undo stack. */
  async run(
    handler: ActionHandler,
    call: { kind?: Call['kind']; name: string; argv: readonly string[]; stdin?: string },
  ): Promise<Ran> {
    const ctx = this.context();
    try {
      const reply = await handler(
        { kind: call.kind ?? 'tm', name: call.name, argv: call.argv, stdin: async () => call.stdin ?? '' },
        ctx,
      );
      ctx.undo.commit();
      return { reply };
    } catch (error) {
      await ctx.undo.rollback();
      return { error: toDriverError(error) };
    }
  }

  directory(systemDatastore = 100): string {
    return `${this.location}/${systemDatastore}/${this.vm.id}`;
  }

  #real(host: string, path: string): string {
    return host === 'frontend' ? path : pathOnHost(this.dir, host, path);
  }

  write(host: string, name: string, text: string, systemDatastore = 100): void {
    const real = join(this.#real(host, this.directory(systemDatastore)), name);
    mkdirSync(dirname(real), { recursive: true });
    writeFileSync(real, text);
  }

  async link(host: string, name: string, target: string, systemDatastore = 100): Promise<void> {
    const real = join(this.#real(host, this.directory(systemDatastore)), name);
    mkdirSync(dirname(real), { recursive: true });
    rmSync(real, { force: true });
    Bun.spawnSync(['ln', '-s', target, real]);
  }

  /** File content, `-> target` of a link, undefined for nothing. */
  read(host: string, name: string, systemDatastore = 100): string | undefined {
    const real = join(this.#real(host, this.directory(systemDatastore)), name);
    const state = lstatSync(real, { throwIfNoEntry: false });
    if (!state) return undefined;
    return state.isSymbolicLink() ? `-> ${readlinkSync(real)}` : readFileSync(real, 'utf8');
  }

  hasDirectory(host: string, systemDatastore = 100): boolean {
    return existsSync(this.#real(host, this.directory(systemDatastore)));
  }

  device(resource: string): string {
    return `${this.location}/dev/${resource}_00000`;
  }

  /** Makes a script of somebody else's; `$LAB` is the lab's directory. */
  script(path: string, text: string): void {
    const real = join(this.dir, path);
    mkdirSync(dirname(real), { recursive: true });
    writeFileSync(real, `#!/bin/bash\nLAB=${this.dir}\n${text}\n`);
    chmodSync(real, 0o755);
  }

  file(path: string): string {
    const real = join(this.dir, path);
    return existsSync(real) ? readFileSync(real, 'utf8') : '';
  }

  migration(source: string, destination: string, marker?: string): { argv: string[]; stdin: string } {
    return {
      argv: [
        source,
        destination,
        `${this.location}//100/${this.vm.id}`,
        String(this.vm.id),
        '100',
        ...(marker ? [marker] : []),
      ],
      stdin: `${Buffer.from(vmXml(this.vm)).toString('base64')}\n`,
    };
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
