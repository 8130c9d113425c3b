import { installVirsh } from '../../lab/hosts/virsh.ts';
import type { DriverRequest } from '../../lab/one/driver.ts';
import type { LabOne } from '../../lab/one/lab-one.ts';
import type { Operation } from '../../lab/one/oned.ts';
import { type FaultWorld, type GroupName, nodes } from './world.ts';

/** What is in the lab before any scenario. */
export interface Base {
  readonly images: number;
  readonly system: number;
  /** A second system datastore. */
  readonly away: number;
  readonly image: number;
  /** A persistent image. */
  readonly data: number;
  /** Holds a replica of both images. */
  readonly host: string;
  /** Holds none (DRBD: a tie-breaker). */
  readonly other: string;
}

export interface Scenario {
  /** `tm/clone` */
  readonly action: string;
  /** Tells scenarios of one action apart. */
  readonly about: string;
  readonly group: GroupName;
  readonly template?: Readonly<Record<string, string>>;
  /** Brings the lab to the state before the call under test. */
  readonly prepare: (world: FaultWorld, base: Base, until: Until) => Promise<DriverRequest>;
  /** Objects that the action is there to take away: their absence is no loss. */
  readonly takes?: RegExp;
  /** Resources whose content the action changes. */
  readonly changes?: RegExp;
  /** All of these change, or none; a domain that is off meanwhile starts on none of them (its next start ends the change). */
  readonly together?: RegExp;
  /** Image actions: OpenNebula never asks again for an image that failed, so nothing but `gc` finds what a kill leaves. */
  readonly makesImage?: boolean;
}

type Until = (work: (one: LabOne) => Promise<unknown>, argv?: RegExp) => Promise<DriverRequest>;

export function ok<T extends Operation>(operation: T): T {
  if (operation.ok) return operation;
  const last = operation.calls.at(-1);
  throw new Error(`${operation.command}: ${operation.error}\n${last?.kind}/${last?.action}: ${last?.stderr}`);
}

async function start(world: FaultWorld, base: Base, disks: readonly object[], host = base.host) {
  return ok(
    await world.one.instantiate(
      { name: 'vm', disks: disks as { image: number }[] },
      { host, datastore: base.system },
    ),
  ).vm;
}

const clone = (
  group: GroupName,
  about: string,
  mode: string,
  at: 'host' | 'other',
  sizeMb?: number,
): Scenario => ({
  action: 'tm/clone',
  about,
  group,
  template: { CLONE_MODE: mode },
  prepare: (_world, base, until) =>
    until((one) =>
      one.instantiate(
        { name: 'vm', disks: [{ image: base.image, ...(sizeMb ? { sizeMb } : {}) }] },
        { host: base[at], datastore: base.system },
      ),
    ),
});

const vmSnapshot = (
  action: 'snap_create' | 'snap_create_live' | 'snap_revert' | 'snap_delete',
  group: GroupName = 'drbd',
): Scenario => ({
  action: `tm/${action}`,
  about: `disk of a VM, ${group}`,
  group,
  ...(action === 'snap_delete' ? { takes: /\/snapshot-0$/ } : {}),
  ...(action === 'snap_revert' ? { changes: /^one-vm-/ } : {}),
  prepare: async (world, base, until) => {
    const vm = await start(world, base, [{ image: base.image }]);
    if (action === 'snap_create_live') return until((one) => one.snapshotCreate(vm, 0, 'a'));
    ok(await world.one.poweroff(vm));
    if (action === 'snap_create') return until((one) => one.snapshotCreate(vm, 0, 'a'));
    ok(await world.one.snapshotCreate(vm, 0, 'a'));
    scribble(world, base.host, base.system, vm);
    ok(await world.one.snapshotCreate(vm, 0, 'b'));
    if (action === 'snap_revert') return until((one) => one.snapshotRevert(vm, 0, 0));
    return until((one) => one.snapshotDelete(vm, 0, 0));
  },
});

/** `onevm snapshot-…` of a VM with two disks of its own and a persistent image. */
const wholeVm = (action: 'create' | 'revert' | 'delete', group: GroupName = 'drbd'): Scenario => ({
  action: `vmm/snapshot_${action}_linstor_un`,
  about: `three disks, ${group}`,
  group,
  ...(action === 'delete' ? { takes: /\/one-vm-0-snapshot-0$/ } : {}),
  ...(action === 'revert' ? { changes: /^one-(?:vm-0-|image-1$)/, together: /^one-(?:vm-0-|image-1$)/ } : {}),
  prepare: async (world, base, until) => {
    installVirsh(world.cluster.dir, nodes);
    // On plain storage the two images may lie on two nodes.
    const second = group === 'drbd' ? base.data : base.image;
    const disks = [{ image: base.image }, { image: second }, { volatile: 'fs', sizeMb: 8 }];
    const vm = await start(world, base, disks);
    if (action === 'create') return until((one) => one.systemSnapshotCreate(vm, 'a'));
    ok(await world.one.systemSnapshotCreate(vm, 'a'));
    for (const disk of [0, 1, 2]) scribble(world, base.host, base.system, vm, disk);
    ok(await world.one.systemSnapshotCreate(vm, 'b'));
    if (action === 'revert') return until((one) => one.systemSnapshotRevert(vm, 0));
    return until((one) => one.systemSnapshotDelete(vm, 0));
  },
});

/** A VM of two disks, and where its backups go. */
async function backedUp(world: FaultWorld, base: Base, config: Readonly<Record<string, string>>) {
  const store = ok(
    await world.one.createDatastore({ name: 'backups', type: 'BACKUP', driver: 'rsync' }),
  ).datastore;
  const vm = await start(world, base, [{ image: base.image }, { image: base.image }]);
  world.one.configureBackup(vm, config);
  return { vm, store };
}

const backup = (
  action: 'prebackup' | 'prebackup_live' | 'postbackup_live',
  about: string,
  config: Readonly<Record<string, string>>,
): Scenario => ({
  action: `tm/${action}`,
  about,
  group: 'drbd',
  prepare: async (world, base, until) => {
    const { vm, store } = await backedUp(world, base, config);
    if (config['MODE'] === 'INCREMENT') {
      ok(await world.one.backup(vm, { datastore: store }));
      scribble(world, base.host, base.system, vm);
    }
    if (action === 'prebackup') ok(await world.one.poweroff(vm));
    // What would be stored is no concern of a TM driver's.
    return until((one) => one.backup(vm, { collect: () => true }));
  },
});

function scribble(world: FaultWorld, host: string, datastore: number, vm: number, disk = 0): void {
  const link = `${world.cluster.paths.location}/${datastore}/${vm}/disk.${disk}`;
  const done = Bun.spawnSync(
    [
      `${world.cluster.paths.bin}/ssh`,
      host,
      `printf CHANGED | dd of='${link}' bs=1 seek=4096 conv=notrunc,nocreat,fsync status=none`,
    ],
    { env: world.env, stdin: 'ignore' },
  );
  if (!done.success) throw new Error(`${link}: ${done.stderr}`);
}

/** A volume as LINBIT's driver makes it: an image file written into the device. */
async function packed(world: FaultWorld, name: string): Promise<void> {
  const raw = world.writeImage('packed.raw', pattern(5, 9));
  const file = `${raw}.qcow2`;
  if (!Bun.spawnSync(['qemu-img', 'convert', '-O', 'qcow2', raw, file]).success)
    throw new Error('qemu-img does not convert');
  await world.linstor('POST', '/v1/resource-groups/drbd/spawn', {
    resource_definition_name: name,
    volume_sizes: [8 * 1024],
  });
  const view = (await world.linstor('GET', `/v1/view/resources?resources=${name}`)) as {
    flags?: string[];
    volumes?: { device_path?: string }[];
  }[];
  for (const { flags = [], volumes = [] } of view) {
    const path = volumes[0]?.device_path;
    if (!path || flags.some((flag) => flag === 'DISKLESS' || flag === 'TIE_BREAKER')) continue;
    if (!Bun.spawnSync(['dd', `if=${file}`, `of=${path}`, 'conv=notrunc', 'status=none']).success)
      throw new Error(`${path} is not written`);
  }
}

const imageSnapshot = (action: 'snap_delete' | 'snap_revert' | 'snap_flatten'): Scenario => ({
  action: `datastore/${action}`,
  about: 'persistent image',
  group: 'drbd',
  takes: action === 'snap_delete' ? /\/snapshot-0$/ : action === 'snap_flatten' ? /\/snapshot-\d+$/ : /^$/,
  ...(action === 'snap_delete' ? {} : { changes: /^one-image-1$/ }),
  prepare: async (world, base, until) => {
    const vm = await start(world, base, [{ image: base.data }]);
    ok(await world.one.snapshotCreate(vm, 0, 'a'));
    scribble(world, base.host, base.system, vm);
    ok(await world.one.snapshotCreate(vm, 0, 'b'));
    ok(await world.one.terminate(vm));
    return until((one) => {
      if (action === 'snap_delete') return one.imageSnapshotDelete(base.data, 0);
      return action === 'snap_revert'
        ? one.imageSnapshotRevert(base.data, 0)
        : one.imageSnapshotFlatten(base.data, 0);
    });
  },
});

const live = (action: 'premigrate' | 'postmigrate' | 'failmigrate'): Scenario => ({
  action: `tm/${action}`,
  about: 'clone and persistent disk',
  group: 'drbd',
  ...(action === 'premigrate' ? {} : { takes: /^node\d:/ }),
  prepare: async (world, base, until) => {
    const vm = await start(world, base, [{ image: base.image }, { image: base.data }]);
    return until((one) =>
      one.liveMigrate(
        vm,
        { host: base.other, datastore: base.system },
        { hypervisor: () => action !== 'failmigrate' },
      ),
    );
  },
});

const gone = { takes: /^(?:one-vm-|node\d:)/ };

export const scenarios: readonly Scenario[] = [
  {
    action: 'datastore/cp',
    about: 'raw file',
    group: 'drbd',
    makesImage: true,
    prepare: (world, base, until) =>
      until((one) =>
        one.createImage({
          name: 'new',
          datastore: base.images,
          path: world.writeImage('new.raw', pattern(3, 11)),
        }),
      ),
  },
  {
    action: 'datastore/cp',
    about: 'adopted volume, by its blocks',
    group: 'drbd',
    template: { ADOPT_ALLOW: 'one-*' },
    makesImage: true,
    prepare: (_world, base, until) =>
      until((one) =>
        one.createImage({ name: 'new', datastore: base.images, path: `linstor://one-image-${base.image}` }),
      ),
  },
  {
    action: 'datastore/cp',
    about: 'adopted volume, a qcow2 image in it',
    group: 'drbd',
    template: { ADOPT_ALLOW: 'OpenNebula-*' },
    makesImage: true,
    prepare: async (world, base, until) => {
      await packed(world, 'OpenNebula-Image-3');
      return until((one) =>
        one.createImage({ name: 'new', datastore: base.images, path: 'linstor://OpenNebula-Image-3' }),
      );
    },
  },
  {
    action: 'datastore/mkfs',
    about: 'ext4',
    group: 'drbd',
    makesImage: true,
    prepare: (_world, base, until) =>
      until((one) => one.createDatablock({ name: 'new', datastore: base.images, sizeMb: 8, fs: 'ext4' })),
  },
  {
    action: 'datastore/clone',
    about: 'snapshot',
    group: 'drbd',
    makesImage: true,
    prepare: (_world, base, until) => until((one) => one.cloneImage(base.image, 'copy')),
  },
  {
    action: 'datastore/rm',
    about: 'image with a snapshot',
    group: 'drbd',
    takes: /^one-image-1(?:\/|$)/,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.data }]);
      ok(await world.one.snapshotCreate(vm, 0, 'a'));
      ok(await world.one.terminate(vm));
      return until((one) => one.deleteImage(base.data));
    },
  },
  {
    action: 'datastore/rm',
    about: 'plain storage',
    group: 'plain',
    takes: /^one-image-1$/,
    prepare: (_world, base, until) => until((one) => one.deleteImage(base.data)),
  },
  {
    action: 'datastore/rm',
    about: 'image with a snapshot, into the trash',
    group: 'drbd',
    template: { TRASH: '1h' },
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.data }]);
      ok(await world.one.snapshotCreate(vm, 0, 'a'));
      ok(await world.one.terminate(vm));
      return until((one) => one.deleteImage(base.data));
    },
  },
  imageSnapshot('snap_delete'),
  imageSnapshot('snap_revert'),
  imageSnapshot('snap_flatten'),
  {
    action: 'datastore/monitor',
    about: 'capacity',
    group: 'drbd',
    prepare: (_world, base, until) => until((one) => one.monitor(base.images)),
  },
  clone('drbd', 'snapshot, diskless on the host, larger', 'snapshot', 'other', 16),
  clone('drbd', 'snapshot, replica on the host', 'snapshot', 'host'),
  clone('drbd', 'copy', 'copy', 'host'),
  clone('plain', 'snapshot, plain storage', 'snapshot', 'host'),
  clone('plain', 'copy, plain storage, another host', 'copy', 'other'),
  {
    action: 'tm/ln',
    about: 'persistent, diskless on the host',
    group: 'drbd',
    prepare: (_world, base, until) =>
      until((one) =>
        one.instantiate(
          { name: 'vm', disks: [{ image: base.data }] },
          { host: base.other, datastore: base.system },
        ),
      ),
  },
  {
    action: 'tm/mkimage',
    about: 'ext4',
    group: 'drbd',
    prepare: (_world, base, until) =>
      until((one) =>
        one.instantiate(
          { name: 'vm', disks: [{ volatile: 'fs', sizeMb: 8, fs: 'ext4' }] },
          { host: base.other, datastore: base.system },
        ),
      ),
  },
  {
    action: 'tm/mkswap',
    about: 'plain storage',
    group: 'plain',
    prepare: (_world, base, until) =>
      until((one) =>
        one.instantiate(
          { name: 'vm', disks: [{ volatile: 'swap', sizeMb: 8 }] },
          { host: base.other, datastore: base.system },
        ),
      ),
  },
  {
    action: 'tm/delete',
    about: 'clone, diskless on the host',
    group: 'drbd',
    ...gone,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.image }], base.other);
      return until((one) => one.terminate(vm));
    },
  },
  {
    action: 'tm/delete',
    about: 'clone, plain storage',
    group: 'plain',
    ...gone,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.image }]);
      return until((one) => one.terminate(vm));
    },
  },
  {
    action: 'tm/delete',
    about: 'clone, diskless on the host, into the trash',
    group: 'drbd',
    template: { TRASH: '1h' },
    takes: /^node\d:/,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.image }], base.other);
      return until((one) => one.terminate(vm));
    },
  },
  {
    action: 'tm/delete',
    about: 'persistent disk, clean-up',
    group: 'drbd',
    takes: /^node\d:/,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.data }], base.other);
      return until((one) => one.recoverDelete(vm));
    },
  },
  {
    action: 'tm/mvds',
    about: 'persistent disk',
    group: 'drbd',
    takes: /^node\d:/,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.data }], base.other);
      return until((one) => one.terminate(vm));
    },
  },
  {
    action: 'tm/mv',
    about: 'disk, cold migration into another datastore',
    group: 'drbd',
    takes: /^node\d:/,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.image }]);
      ok(await world.one.poweroff(vm));
      return until((one) => one.migrate(vm, { host: base.other, datastore: base.away }), /disk\.0/);
    },
  },
  {
    action: 'tm/mv',
    about: 'directory, cold migration into another datastore',
    group: 'drbd',
    takes: /^node\d:/,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.image }]);
      ok(await world.one.poweroff(vm));
      return until((one) => one.migrate(vm, { host: base.other, datastore: base.away }), /\/\d+ node/);
    },
  },
  {
    action: 'tm/cpds',
    about: 'disk of a VM that is off',
    group: 'drbd',
    makesImage: true,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.image }]);
      ok(await world.one.poweroff(vm));
      return until((one) => one.saveAs(vm, 0, { name: 'saved' }));
    },
  },
  {
    action: 'tm/cpds',
    about: 'disk of a running VM',
    group: 'drbd',
    makesImage: true,
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.image }]);
      return until((one) => one.saveAs(vm, 0, { name: 'saved' }));
    },
  },
  {
    action: 'tm/resize',
    about: 'running',
    group: 'drbd',
    prepare: async (world, base, until) => {
      const vm = await start(world, base, [{ image: base.image }], base.other);
      return until((one) => one.resize(vm, 0, 24));
    },
  },
  backup('prebackup_live', 'full, two disks', {}),
  backup('prebackup_live', 'increment', { MODE: 'INCREMENT' }),
  backup('prebackup', 'full, powered off', {}),
  backup('postbackup_live', 'after a full backup', {}),
  {
    action: 'tm/restore',
    about: 'two disks, in place',
    group: 'drbd',
    takes: /\/one-backup-\d+$/,
    changes: /^one-vm-/,
    prepare: async (world, base, until) => {
      const { vm, store } = await backedUp(world, base, { MODE: 'INCREMENT' });
      const { image } = ok(await world.one.backup(vm, { datastore: store }));
      scribble(world, base.host, base.system, vm);
      ok(await world.one.poweroff(vm));
      return until((one) => one.restore(vm, { image }));
    },
  },
  vmSnapshot('snap_create'),
  vmSnapshot('snap_create_live'),
  vmSnapshot('snap_revert'),
  vmSnapshot('snap_revert', 'plain'),
  vmSnapshot('snap_delete'),
  wholeVm('create'),
  wholeVm('revert'),
  wholeVm('revert', 'plain'),
  wholeVm('delete'),
  live('premigrate'),
  live('postmigrate'),
  live('failmigrate'),
  {
    action: 'tm/monitor',
    about: 'capacity and usage',
    group: 'drbd',
    prepare: async (world, base, until) => {
      await start(world, base, [{ image: base.image }]);
      return until((one) => one.monitor(base.system));
    },
  },
];

/** Bytes that are not zero and differ from seed to seed, in the first MiB of `mib`. */
export function pattern(mib: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(mib * 1024 * 1024);
  let state = seed;
  for (let index = 0; index < 1024 * 1024; index += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    bytes[index] = (state >> 16) | 1;
  }
  return bytes;
}

/** Datastores, an image and a persistent one; the lab is saved under the group's name. */
export async function makeBase(
  world: FaultWorld,
  group: GroupName,
  template: Readonly<Record<string, string>>,
): Promise<Base> {
  const common = {
    RESOURCE_GROUP: group,
    SAFE_DIRS: world.cluster.paths.images,
    STAGING_DIR: world.staging,
    ...template,
  };
  const { one } = world;
  const images = ok(await one.createDatastore({ name: 'images', type: 'IMAGE', template: common })).datastore;
  const system = ok(
    await one.createDatastore({ name: 'system', type: 'SYSTEM', template: common }),
  ).datastore;
  const away = ok(await one.createDatastore({ name: 'away', type: 'SYSTEM', template: common })).datastore;
  const make = async (name: string, seed: number, persistent: boolean): Promise<number> =>
    ok(
      await one.createImage({
        name,
        datastore: images,
        path: world.writeImage(`${name}.raw`, pattern(8, seed)),
        persistent,
      }),
    ).image;
  const image = await make('image', 1, false);
  const data = await make('data', 2, true);
  const replicas = (await world.linstor('GET', `/v1/view/resources?resources=one-image-${data}`)) as {
    node_name: string;
    flags?: string[];
  }[];
  const images0 = (await world.linstor('GET', `/v1/view/resources?resources=one-image-${image}`)) as {
    node_name: string;
    flags?: string[];
  }[];
  const withDisk = (list: typeof replicas): string[] =>
    list.filter((each) => !each.flags?.includes('DISKLESS')).map((each) => each.node_name);
  const host =
    withDisk(replicas).find((node) => withDisk(images0).includes(node)) ?? withDisk(images0)[0] ?? '';
  const other =
    world.cluster.description.nodes.find(
      (node) => !withDisk(replicas).includes(node) && !withDisk(images0).includes(node),
    ) ??
    world.cluster.description.nodes.find((node) => node !== host) ??
    '';
  return { images, system, away, image, data, host, other };
}
