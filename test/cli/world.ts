import type { CliEnvironment } from '../../src/cli/command.ts';
import type { MessageKind } from '../../src/cli/terminal.ts';
import type { Context } from '../../src/context.ts';
import { DriverError } from '../../src/errors.ts';
import type { HostCommand, HostResult, Hosts } from '../../src/hosts/hosts.ts';
import type {
  Capabilities,
  ErrorReport,
  Linstor,
  Node,
  Resource,
  ResourceDefinition,
  ResourceGroup,
  Snapshot,
  StoragePool,
} from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import type { Datastore, Disk, History, Hook, Host, Image, One, Vm } from '../../src/opennebula/one.ts';
import type { OneChanges } from '../../src/opennebula/one-changes.ts';
import { readSettings } from '../../src/opennebula/read-settings.ts';
import { Undo } from '../../src/undo.ts';
import { kib, mib } from '../../src/units.ts';

/** A LINSTOR, an OpenNebula and hosts as plain data: what the operator's commands see. */

const gib = 1024 * 1024;
export const now = Date.parse('2026-11-23T12:00:00Z');
export const dayAgo = now - 2 * 24 * 3_600_000;

export const capabilities: Capabilities = {
  serverVersion: '1.33.3',
  restVersion: '1.27.0',
  clone: true,
  cloneTarget: true,
  cloneProps: true,
  sizeInfo: true,
  multiSnapshot: true,
  restorePoolRename: true,
  spawnProps: true,
  passphraseStatus: true,
  rollbackAny: true,
  deleteSnapshotWithClones: true,
  managedDualPrimary: false,
  balanceProperty: true,
  balanceAfterRestore: false,
};

export function node(name: string, change: Partial<Node> = {}): Node {
  return {
    name: nodeName(name),
    type: 'SATELLITE',
    status: 'ONLINE',
    flags: [],
    props: {},
    providers: ['DISKLESS', 'LVM_THIN'],
    layers: ['DRBD', 'LUKS', 'STORAGE'],
    addresses: ['10.0.0.1'],
    ...change,
  };
}

export function pool(name: string, on: string, change: Partial<StoragePool> = {}): StoragePool {
  return {
    name,
    node: nodeName(on),
    provider: 'LVM_THIN',
    freeKib: kib(60 * gib),
    totalKib: kib(100 * gib),
    freeSpaceManager: `${on};${name}`,
    supportsSnapshots: true,
    props: {},
    reports: [],
    ...change,
  };
}

export function definition(name: string, change: Partial<ResourceDefinition> = {}): ResourceDefinition {
  return {
    name: resourceName(name),
    group: 'one',
    flags: [],
    props: {},
    layers: ['DRBD', 'STORAGE'],
    volumes: [{ number: 0, sizeKib: kib(10 * gib), flags: [], props: {} }],
    ...change,
  };
}

export function replica(name: string, on: string, change: Partial<Resource> = {}): Resource {
  return {
    name: resourceName(name),
    node: nodeName(on),
    flags: [],
    props: {},
    layers: ['DRBD', 'STORAGE'],
    stateKnown: true,
    inUse: false,
    createdAt: dayAgo,
    connections: {},
    volumes: [
      {
        number: 0,
        pool: 'thin',
        provider: 'LVM_THIN',
        devicePath: '/dev/drbd1000',
        allocatedKib: kib(gib),
        diskState: 'UpToDate',
      },
    ],
    ...change,
  };
}

export function diskless(name: string, on: string, change: Partial<Resource> = {}): Resource {
  return replica(name, on, {
    flags: ['DISKLESS', 'DRBD_DISKLESS'],
    volumes: [
      {
        number: 0,
        pool: 'DfltDisklessStorPool',
        provider: 'DISKLESS',
        devicePath: '/dev/drbd1000',
        diskState: 'Diskless',
      },
    ],
    ...change,
  });
}

export function snapshot(resource: string, name: string, change: Partial<Snapshot> = {}): Snapshot {
  return {
    name,
    resource: resourceName(resource),
    nodes: [nodeName('alpha')],
    flags: ['SUCCESSFUL'],
    volumes: [{ number: 0, sizeKib: kib(gib) }],
    props: {},
    createdAt: dayAgo,
    ...change,
  };
}

export function host(id: number, name: string, change: Partial<Host> = {}): Host {
  return { id, name, state: 2, enabled: true, ...change };
}

export function disk(id: number, change: Partial<Disk> = {}): Disk {
  return {
    id,
    attributes: {},
    source: '/dev/drbd/by-res/one-image-3/0',
    imageId: 3,
    datastoreId: 100,
    tmMad: 'linstor_un',
    kind: 'clone',
    sizeMib: mib(10240),
    fs: '',
    format: 'raw',
    ...change,
  };
}

/** The history of a VM that has run on one host only. */
export const placedOn = (hostname: string, hostId: number, stime = 1): History[] => [
  { seq: 0, hostname, hostId, datastoreId: 101, tmMad: 'linstor_un', vmMad: 'kvm', stime },
];

export function vm(id: number, change: Partial<Vm> = {}): Vm {
  return {
    id,
    name: `vm-${id}`,
    state: 3,
    lcmState: 3,
    deployId: `one-${id}`,
    disks: [disk(0)],
    template: {},
    userTemplate: {},
    snapshots: [],
    systemSnapshots: [],
    backup: {},
    xml: '',
    history: placedOn('hv1', 0, 1_700_000_000),
    ...change,
  };
}

export function image(id: number, change: Partial<Image> = {}): Image {
  return {
    id,
    name: `image-${id}`,
    type: 0,
    persistent: false,
    source: `/dev/drbd/by-res/one-image-${id}/0`,
    path: '',
    format: 'raw',
    fs: '',
    sizeMib: mib(10240),
    registeredAt: 1_700_000_000,
    state: 1,
    cloningId: -1,
    snapshots: [],
    template: {},
    datastoreId: 100,
    ...change,
  };
}

const imageTemplate = {
  DISK_TYPE: 'BLOCK',
  RESOURCE_GROUP: 'one',
  LN_TARGET: 'NONE',
  CLONE_TARGET: 'SELF',
  DRIVER: 'raw',
  ALLOW_ORPHANS: 'YES',
};
const systemTemplate = {
  DISK_TYPE: 'BLOCK',
  RESOURCE_GROUP: 'one',
  SHARED: 'YES',
  DS_MIGRATE: 'YES',
  ALLOW_ORPHANS: 'YES',
};

export function imageDatastore(
  change: Partial<Datastore> = {},
  template: Record<string, string> = {},
): Datastore {
  return {
    id: 100,
    name: 'images',
    type: 0,
    dsMad: 'linstor_un',
    tmMad: 'linstor_un',
    basePath: '',
    ...change,
    template: { ...imageTemplate, ...template },
  };
}

export function systemDatastore(
  change: Partial<Datastore> = {},
  template: Record<string, string> = {},
): Datastore {
  return {
    id: 101,
    name: 'system',
    type: 1,
    dsMad: '-',
    tmMad: 'linstor_un',
    basePath: '',
    ...change,
    template: { ...systemTemplate, ...template },
  };
}

/** Healthy, two nodes, an image and one VM; tests change what they are about. */
export class World {
  nodes: Node[] = [node('alpha'), node('bravo')];
  pools: StoragePool[] = [
    pool('thin', 'alpha'),
    pool('thin', 'bravo'),
    pool('DfltDisklessStorPool', 'alpha', { provider: 'DISKLESS' }),
  ];
  groups: ResourceGroup[] = [{ name: 'one', props: {}, filter: { placeCount: 2, storagePools: ['thin'] } }];
  definitions: ResourceDefinition[] = [definition('one-image-3'), definition('one-vm-7-disk-0')];
  resources: Resource[] = [
    replica('one-image-3', 'alpha'),
    replica('one-image-3', 'bravo'),
    replica('one-vm-7-disk-0', 'alpha', { inUse: true }),
    replica('one-vm-7-disk-0', 'bravo'),
  ];
  snapshots: Snapshot[] = [];
  /** Notes of complete copies. */
  copies: Record<string, string> = {};
  /** Notes of restores in place. */
  restores: Record<string, string> = {};
  properties: Record<string, string> = {};
  capabilities: Capabilities = capabilities;
  errorReports: ErrorReport[] = [];
  errorTexts: Record<string, string> = {};
  encryption: 'unset' | 'locked' | 'unlocked' | undefined = 'unlocked';
  hosts: Host[] = [host(0, 'alpha'), host(1, 'bravo')];
  datastores: Datastore[] = [
    imageDatastore(),
    systemDatastore(),
    systemDatastore({ id: 0, name: 'default', tmMad: 'ssh' }),
  ];
  vms: Vm[] = [vm(7)];
  /** Also those that are done; `one.vm` finds them. */
  past: Vm[] = [];
  images: Image[] = [image(3)];
  hooks: Hook[] = [];
  leads = true;
  linstorError: DriverError | undefined;
  oneError: DriverError | undefined;
  hostAnswer: (host: string, command: HostCommand) => string = () => healthyProbe();
  /** What every login shell prints. */
  hostNoise = '';
  config: Record<string, string> = {};
  configError: DriverError | undefined;
  /** Writing calls, in order. */
  readonly writes: string[] = [];
  /** After each of them. */
  onWrite: () => void = () => undefined;
  /** What a command has changed in OpenNebula. */
  readonly oneWrites: string[] = [];
  /** The store of what is in the trash. */
  trash: Record<string, string> = {};
  kept: Record<string, string> = {};

  readonly out: string[] = [];
  readonly messages: string[] = [];
  readonly locks: string[] = [];
  confirm = true;
  /** To questions, in order; '' takes what is proposed. */
  readonly answers: string[] = [];
  readonly asked: string[] = [];
  interactive = false;
  columns = 80;
  env: Record<string, string> = {};

  environment(): CliEnvironment {
    return {
      terminal: {
        interactive: this.interactive,
        color: false,
        columns: this.columns,
        rows: 24,
        out: (text) => void this.out.push(text),
        data: (text) => void this.out.push(text),
        message: (kind: MessageKind, text: string) => void this.messages.push(`${kind}: ${text}`),
        confirm: () => Promise.resolve(this.confirm),
        ask: (question, proposed) => {
          this.asked.push(question);
          return Promise.resolve(this.answers.shift() || proposed);
        },
      },
      env: this.env,
      executable: '/nowhere/linstor_un',
      version: '2.0.0',
      now: () => new Date(now),
      context: async ({ withoutConfig = false } = {}) => {
        if (this.configError && !withoutConfig) throw this.configError;
        return this.context();
      },
    };
  }

  get text(): string {
    return this.out.join('');
  }

  context(): Context {
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      call: () => undefined,
    };
    return {
      one: this.one(),
      hosts: this.ssh(),
      log,
      undo: new Undo(log),
      signal: new AbortController().signal,
      clock: { now: () => now, sleep: () => Promise.reject(new DriverError('INTERRUPTED', 'stopped')) },
      linstor: () => this.linstor(),
      settings: (...templates) =>
        readSettings(
          {
            values: this.config,
            linstorCommand: 'linstor',
            client: { controllers: ['linstor://c1'] },
            ignored: [],
          },
          ...templates,
        ),
      lock: async (name, work) => {
        this.locks.push(name);
        return work();
      },
    };
  }

  one(): One {
    const answer = async <T>(value: T): Promise<T> => {
      if (this.oneError) throw this.oneError;
      return value;
    };
    const find = async <T extends { id: number }>(
      kind: string,
      list: readonly T[],
      id: number,
    ): Promise<T> => {
      const found = (await answer(list)).find((item) => item.id === id);
      if (!found) throw new DriverError('ONE_NOT_FOUND', `there is no ${kind} ${id}`);
      return found;
    };
    return {
      marketplaceHosts: async () => [],
      hooks: () => answer(this.hooks),
      leads: async () => this.leads,
      document: () => Promise.reject(new Error('no documents here')),
      version: () => answer('7.0.0'),
      hosts: () => answer(this.hosts),
      datastores: () => answer(this.datastores),
      vms: () => answer(this.vms),
      images: () => answer(this.images),
      vm: (id) => find('VM', [...this.vms, ...this.past], id),
      image: (id) => find('image', this.images, id),
      datastore: (id) => find('datastore', this.datastores, id),
      ...this.changes(),
    };
  }

  /** What a command asks oned to change is noted; an image that it makes is there. */
  changes(): OneChanges {
    const note = async (text: string): Promise<void> => {
      if (this.oneError) throw this.oneError;
      this.oneWrites.push(text);
    };
    return {
      allocateImage: async (template, datastoreId) => {
        await note(`allocate ${JSON.stringify(template)} in ${datastoreId}`);
        const id = Math.max(0, ...this.images.map((each) => each.id)) + 1;
        this.images.push(
          image(id, {
            name: String(template['NAME']),
            source: String(template['SOURCE'] ?? ''),
            datastoreId,
          }),
        );
        return id;
      },
      allocateDatastore: async (template, clusterId) => {
        await note(`allocate ${JSON.stringify(template)} in cluster ${clusterId}`);
        const id = Math.max(0, ...this.datastores.map((each) => each.id)) + 1;
        const texts = Object.fromEntries(
          Object.entries(template).map(([key, value]) => [key, String(value)]),
        );
        const make = texts['TYPE'] === 'SYSTEM_DS' ? systemDatastore : imageDatastore;
        this.datastores.push(make({ id, name: texts['NAME'] ?? '' }, texts));
        return id;
      },
      deleteImage: (id) => note(`delete image ${id}`),
      renameImage: (id, name) => note(`rename image ${id} ${name}`),
      giveImage: (id, user) => note(`give image ${id} to ${user}`),
      attachDisk: (vm, disk) => note(`attach ${JSON.stringify(disk)} to ${vm}`),
      detachDisk: (vm, disk) => note(`detach ${disk} of ${vm}`),
      enableHost: (id, enabled) => note(`${enabled ? 'enable' : 'disable'} host ${id}`),
      migrateVm: (vm, to, how) => note(`migrate ${vm} to ${to} ${how}`),
    };
  }

  linstor(): Linstor {
    const answer = async <T>(value: T): Promise<T> => {
      if (this.linstorError) throw this.linstorError;
      return value;
    };
    const write = async (text: string): Promise<Outcome> => {
      await answer(undefined);
      this.writes.push(text);
      this.onWrite();
      return new Outcome([]);
    };
    const named = <T>(
      list: readonly T[],
      names: readonly string[] | undefined,
      name: (item: T) => string,
    ): Promise<T[]> => answer(list.filter((item) => !names || names.includes(name(item))));
    const reading: Partial<Linstor> = {
      transport: 'rest',
      capabilities: () => answer(this.capabilities),
      nodes: () => answer(this.nodes),
      storagePools: () => answer(this.pools),
      resourceGroups: () => answer(this.groups),
      definitions: (query) => named(this.definitions, query?.names, (item) => item.name),
      replicas: (names) => named(this.resources, names, (item) => item.name),
      resources: (query) => named(this.resources, query?.names, (item) => item.name),
      snapshots: (query) => named(this.snapshots, query?.names, (item) => item.resource),
      synced: () => answer(true),
      controllerProperties: () => answer(this.properties),
      keyValues: (store) => answer(this.#store(store)),
      modifyKeyValues: async (store, { set = {}, unset = [] }) => {
        await answer(undefined);
        const values = this.#store(store);
        for (const key of unset) delete values[key];
        Object.assign(values, set);
        return new Outcome([]);
      },
      encryption: () => answer(this.encryption),
      errorReports: (since) => answer(this.errorReports.filter(({ time }) => time >= since)),
      errorReport: (id) => answer(this.errorTexts[id]),
      modifyDefinition: (name) => write(`modify definition ${name}`),
      deleteDefinition: (name) => write(`delete definition ${name}`),
      deleteSnapshot: (name, snapshotName) => write(`delete snapshot ${name} ${snapshotName}`),
      deleteResource: (name, on) => write(`delete resource ${name} ${on}`),
    };
    return reading as Linstor;
  }

  #store(name: string): Record<string, string> {
    if (name === 'one-kept-parts') return this.kept;
    if (name.endsWith('one-restores')) return this.restores;
    return name.endsWith('one-trash') ? this.trash : this.copies;
  }

  ssh(): Hosts {
    const run = async (name: string, command: HostCommand): Promise<HostResult> => ({
      exitCode: 0,
      stdout: this.hostAnswer(name, command),
      stderr: '',
      ms: 10,
      noise: this.hostNoise,
    });
    return {
      run,
      local: (command) => run('localhost', command),
      sshArgv: () => [],
      isFrontend: (name) => name === 'fe1',
    };
  }
}

export function healthyProbe(change: Record<string, string> = {}): string {
  const values = {
    kernel: '5.15.0-100-generic',
    drbd: '9.2.11',
    'qemu-img': '8.2.2',
    groups: 'oneadmin disk',
    uid: '9869',
    clock: String((now - 5) / 1000),
    'staging-free': '90000000',
    'staging-writable': 'yes',
    lvm: 'global_filter=["r|^/dev/drbd|"] ',
    multipath: 'excluded',
    ...change,
  };
  return Object.entries(values)
    .flatMap(([key, value]) => value.split('\n').map((line) => `${key}=${line}\n`))
    .join('');
}
