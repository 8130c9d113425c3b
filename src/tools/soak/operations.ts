import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../lab/one/oned.ts';
import { Content } from './content.ts';
import { type Model, type ModelDisk, type ModelImage, type ModelVm, resourceOf, type Site } from './model.ts';
import type { Random } from './random.ts';
import type { SoakWorld } from './world.ts';

/** One thing that a user may do, now: what is called, and how the model changes when it succeeded. */
export interface Step {
  /** As a person would say it. */
  readonly what: string;
  run(): Promise<Operation>;
  /** Only after success. */
  apply(done: Operation): void | Promise<void>;
}

export interface Soak {
  readonly world: SoakWorld;
  readonly model: Model;
  readonly random: Random;
  readonly sites: readonly Site[];
  /** For names and tags of writes: never the same twice. */
  next(): number;
}

type Chooser = (soak: Soak) => Promise<Step | undefined> | Step | undefined;

const mostVms = 5;
const mostImages = 6;
const mostSnapshots = 3;

const vmIn = ({ model, random }: Soak, ...states: ModelVm['state'][]): ModelVm | undefined =>
  random.pick([...model.vms.values()].filter((vm) => states.includes(vm.state)));
const diskOf = (
  { random }: Soak,
  vm: ModelVm | undefined,
  suits: (disk: ModelDisk) => boolean = () => true,
): ModelDisk | undefined => random.pick([...(vm?.disks.values() ?? [])].filter(suits));
const otherHost = ({ world, random }: Soak, host: string): string =>
  random.pick(world.cluster.description.nodes.filter((name) => name !== host)) ?? host;
const idle = (image: ModelImage): boolean => image.user === undefined;

/** An image as a file of random data, in one of the usual formats. */
const createImage: Chooser = (soak) => {
  const { world, model, random } = soak;
  if (model.images.size >= mostImages) return undefined;
  const site = random.pick(soak.sites) as Site;
  const content = new Content(random.between(4, 12));
  const name = `image-${soak.next()}`;
  const path = join(world.cluster.paths.images, name);
  writeFileSync(path, Buffer.alloc(content.sizeMb * 1024 * 1024));
  for (let count = 0; count < 3; count += 1) content.write(path, random.below(content.sizeMb), soak.next());
  const persistent = random.chance(0.4);
  const format = random.pick(['raw', 'qcow2', 'gz']);
  const file = format === 'raw' ? path : `${path}.${format}`;
  if (format === 'gz') writeFileSync(file, Bun.gzipSync(new Uint8Array(content.image())));
  if (format === 'qcow2')
    Bun.spawnSync(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', path, file], { stdin: 'ignore' });
  return {
    what: `create a ${persistent ? 'persistent ' : ''}${format} image of ${content.sizeMb} MiB on ${site.group}`,
    run: () => world.one.createImage({ name, datastore: site.images, path: file, persistent }),
    apply: (done) => {
      const { image: id } = done as Operation & { image: number };
      model.images.set(id, { id, site, persistent, content, snapshots: new Map() });
    },
  };
};

const deleteImage: Chooser = ({ world, model, random }) => {
  const users = [...model.vms.values()].flatMap((vm) => [...vm.disks.values()].map((disk) => disk.image?.id));
  const image = random.pick(
    [...model.images.values()].filter((each) => idle(each) && !users.includes(each.id)),
  );
  if (!image || model.images.size < 3) return undefined;
  const used = world.one.read().images.find((each) => each.id === image.id)?.vms.length ?? 0;
  if (used > 0) return undefined;
  return {
    what: `delete image ${image.id}`,
    run: () => world.one.deleteImage(image.id),
    apply: () => void model.images.delete(image.id),
  };
};

/** oned clones no image that has snapshots. */
const cloneImage: Chooser = (soak) => {
  const { world, model, random } = soak;
  const image = random.pick(
    [...model.images.values()].filter((each) => idle(each) && each.snapshots.size === 0),
  );
  if (!image || model.images.size >= mostImages) return undefined;
  return {
    what: `clone image ${image.id}`,
    run: () => world.one.cloneImage(image.id, `clone-${soak.next()}`),
    apply: (done) => {
      const { image: id } = done as Operation & { image: number };
      const { persistent } = image;
      const content = image.content.copy();
      model.images.set(id, { id, site: image.site, persistent, content, snapshots: new Map() });
    },
  };
};

/** A disk from an image. Its size may be asked for larger where OpenNebula lets it. */
function newDisk(soak: Soak, image: ModelImage) {
  const sizeMb = image.content.sizeMb + (image.persistent ? 0 : (soak.random.pick([0, 0, 3, 8]) ?? 0));
  const spec = image.persistent ? { image: image.id } : { image: image.id, sizeMb };
  return { spec, content: image.persistent ? image.content : image.content.copy(sizeMb) };
}

const instantiate: Chooser = async (soak) => {
  const { world, model, random } = soak;
  if (model.vms.size >= mostVms) return undefined;
  const image = random.pick([...model.images.values()].filter(idle));
  if (!image) return undefined;
  const { site } = image;
  const system = random.pick(site.systems) as number;
  const [replica] = await world.replicasOf(`one-image-${image.id}`);
  const at = replica?.node ?? '';
  // Plain storage is used where it is.
  const host =
    site.group === 'plain' && image.persistent ? at : otherHost(soak, random.chance(0.5) ? at : '');
  const { spec, content } = newDisk(soak, image);
  const volatile = random.between(0, 1) * random.between(2, 6);
  const disks = [spec, ...(volatile > 0 ? [{ volatile: 'fs' as const, sizeMb: volatile }] : [])];
  return {
    what: `instantiate image ${image.id} on ${host}, datastore ${system}`,
    run: () => world.one.instantiate({ name: `vm-${soak.next()}`, disks }, { host, datastore: system }),
    apply: (done) => {
      const { vm: id } = done as Operation & { vm: number };
      const all = new Map<number, ModelDisk>();
      const snapshots = image.persistent ? image.snapshots : new Map<number, Content>();
      const own = { content, volatile: false, snapshots };
      all.set(0, { id: 0, ...own, ...(image.persistent ? { image } : {}) });
      if (volatile > 0)
        all.set(1, { id: 1, content: new Content(volatile), volatile: true, snapshots: new Map() });
      if (image.persistent) image.user = id;
      model.vms.set(id, { id, site, state: 'running', host, system, disks: all });
    },
  };
};

const attach: Chooser = (soak) => {
  const { world, model, random } = soak;
  const vm = vmIn(soak, 'running', 'poweroff');
  const image = random.pick(
    [...model.images.values()].filter((each) => idle(each) && !each.persistent && each.site === vm?.site),
  );
  if (!vm || !image || vm.disks.size >= 3) return undefined;
  const { spec, content } = newDisk(soak, image);
  return {
    what: `attach image ${image.id} to VM ${vm.id}`,
    run: () => world.one.attach(vm.id, spec),
    apply: (done) => {
      const { disk: id } = done as Operation & { disk: number };
      vm.disks.set(id, { id, content, volatile: false, snapshots: new Map() });
    },
  };
};

const detach: Chooser = (soak) => {
  const vm = vmIn(soak, 'running', 'poweroff');
  const disk = diskOf(soak, vm, ({ id }) => id > 0);
  if (!vm || !disk) return undefined;
  return {
    what: `detach disk ${disk.id} of VM ${vm.id}`,
    run: () => soak.world.one.detach(vm.id, disk.id),
    apply: () => void vm.disks.delete(disk.id),
  };
};

const write: Chooser = async (soak) => {
  const vm = vmIn(soak, 'running', 'poweroff');
  const disk = diskOf(soak, vm);
  if (!vm || !disk) return undefined;
  const [replica] = await soak.world.replicasOf(resourceOf(vm, disk));
  if (!replica) return undefined;
  const mib = soak.random.below(disk.content.sizeMb);
  return {
    what: `write to MiB ${mib} of disk ${disk.id} of VM ${vm.id}`,
    run: async () => ({ command: 'write', calls: [], ok: true }),
    apply: () => disk.content.write(replica.path, mib, soak.next()),
  };
};

const resize: Chooser = (soak) => {
  const vm = vmIn(soak, 'running', 'poweroff');
  const disk = diskOf(soak, vm, ({ content }) => content.sizeMb < 28);
  if (!vm || !disk) return undefined;
  const sizeMb = disk.content.sizeMb + soak.random.between(1, 6);
  return {
    what: `resize disk ${disk.id} of VM ${vm.id} to ${sizeMb} MiB`,
    run: () => soak.world.one.resize(vm.id, disk.id, sizeMb),
    apply: () => {
      disk.content.sizeMb = sizeMb;
    },
  };
};

const snapshot: Chooser = (soak) => {
  const vm = vmIn(soak, 'running', 'poweroff');
  const disk = diskOf(soak, vm, ({ volatile, snapshots }) => !volatile && snapshots.size < mostSnapshots);
  if (!vm || !disk) return undefined;
  return {
    what: `snapshot of disk ${disk.id} of VM ${vm.id}`,
    run: () => soak.world.one.snapshotCreate(vm.id, disk.id, `s${soak.next()}`),
    apply: (done) => {
      disk.snapshots.set((done as Operation & { snapshot: number }).snapshot, disk.content.copy());
    },
  };
};

const withSnapshot = (soak: Soak, ...states: ModelVm['state'][]) => {
  const vm = vmIn(soak, ...states);
  const disk = diskOf(soak, vm, ({ snapshots }) => snapshots.size > 0);
  const id = soak.random.pick([...(disk?.snapshots.keys() ?? [])]);
  const content = id === undefined ? undefined : disk?.snapshots.get(id);
  return vm && disk && id !== undefined && content ? { vm, disk, id, content } : undefined;
};

const revert: Chooser = (soak) => {
  const chosen = withSnapshot(soak, 'poweroff');
  if (!chosen) return undefined;
  const { vm, disk, id, content } = chosen;
  return {
    what: `revert disk ${disk.id} of VM ${vm.id} to snapshot ${id}`,
    run: () => soak.world.one.snapshotRevert(vm.id, disk.id, id),
    apply: () => disk.content.become(content),
  };
};

const deleteSnapshot: Chooser = (soak) => {
  const chosen = withSnapshot(soak, 'running', 'poweroff');
  if (!chosen) return undefined;
  const { vm, disk, id } = chosen;
  return {
    what: `delete snapshot ${id} of disk ${disk.id} of VM ${vm.id}`,
    run: () => soak.world.one.snapshotDelete(vm.id, disk.id, id),
    apply: () => void disk.snapshots.delete(id),
  };
};

const saveAs: Chooser = (soak) => {
  const { model, world, random } = soak;
  const vm = vmIn(soak, 'running', 'poweroff');
  const disk = diskOf(soak, vm, ({ volatile }) => !volatile);
  if (!vm || !disk || model.images.size >= mostImages) return undefined;
  const id = random.chance(0.5) ? random.pick([...disk.snapshots.keys()]) : undefined;
  const content = (id === undefined ? disk.content : disk.snapshots.get(id))?.copy();
  if (!content) return undefined;
  const from = id === undefined ? {} : { snapshot: id };
  return {
    what: `save disk ${disk.id} of VM ${vm.id}${id === undefined ? '' : `, snapshot ${id}`}`,
    run: () => world.one.saveAs(vm.id, disk.id, { name: `saved-${soak.next()}`, ...from }),
    apply: (done) => {
      const { image } = done as Operation & { image: number };
      const more = { persistent: false, content, snapshots: new Map<number, Content>() };
      model.images.set(image, { id: image, site: vm.site, ...more });
    },
  };
};

const change = (
  vm: ModelVm | undefined,
  what: string,
  run: (vm: ModelVm) => Promise<Operation> | Operation,
  state: ModelVm['state'],
  place: Partial<Pick<ModelVm, 'host' | 'system'>> = {},
): Step | undefined =>
  vm && {
    what: `${what} VM ${vm.id}${place.host ? ` to ${place.host}` : ''}`,
    run: async () => run(vm),
    apply: () => void Object.assign(vm, { state, ...place }),
  };

const poweroff: Chooser = (soak) =>
  change(vmIn(soak, 'running'), 'power off', (vm) => soak.world.one.poweroff(vm.id), 'poweroff');
const suspend: Chooser = (soak) =>
  change(vmIn(soak, 'running'), 'suspend', (vm) => soak.world.one.suspend(vm.id), 'suspended');
const resume: Chooser = (soak) =>
  change(vmIn(soak, 'poweroff', 'suspended'), 'resume', (vm) => soak.world.one.resume(vm.id), 'running');
const park: Chooser = (soak) => {
  const how = soak.random.chance(0.5) ? ('undeploy' as const) : ('stop' as const);
  return change(vmIn(soak, 'running'), how, (vm) => soak.world.one[how](vm.id), 'parked');
};
const deploy: Chooser = (soak) => {
  const vm = vmIn(soak, 'parked');
  if (!vm) return undefined;
  const host = vm.site.group === 'plain' ? vm.host : otherHost(soak, '');
  const target = { host, datastore: vm.system };
  return change(vm, 'deploy', () => soak.world.one.deploy(vm.id, target), 'running', { host });
};

const movable = (soak: Soak, ...states: ModelVm['state'][]): ModelVm | undefined => {
  const vm = vmIn(soak, ...states);
  return vm?.site.group === 'drbd' ? vm : undefined;
};
const liveMigrate: Chooser = (soak) => {
  const vm = movable(soak, 'running');
  if (!vm) return undefined;
  const host = otherHost(soak, vm.host);
  const target = { host, datastore: vm.system };
  return change(vm, 'live migrate', () => soak.world.one.liveMigrate(vm.id, target), 'running', {
    host,
  });
};
const migrate: Chooser = (soak) => {
  const vm = movable(soak, 'running', 'poweroff', 'suspended');
  if (!vm) return undefined;
  const host = otherHost(soak, vm.host);
  const powered = vm.state === 'running';
  // Another system datastore only when it is powered off.
  const system = vm.state === 'poweroff' ? (soak.random.pick(vm.site.systems) ?? vm.system) : vm.system;
  const how = powered ? { poweroff: true } : {};
  return change(
    vm,
    'migrate',
    () => soak.world.one.migrate(vm.id, { host, datastore: system }, how),
    vm.state,
    { host, system },
  );
};

/** Also of a VM whose host was forgotten: by recovery, as an administrator does. */
const terminate: Chooser = (soak) => {
  const { world, model, random } = soak;
  const vm = random.pick([...model.vms.values()]);
  if (!vm || (model.vms.size < mostVms && random.chance(0.6))) return undefined;
  const byForce = random.chance(0.3);
  return {
    what: `${byForce ? 'recover --delete' : 'terminate'} VM ${vm.id}`,
    run: () => (byForce ? world.one.recoverDelete(vm.id) : world.one.terminate(vm.id)),
    apply: () => {
      for (const { image } of vm.disks.values()) if (image) delete image.user;
      model.vms.delete(vm.id);
    },
  };
};

const monitor: Chooser = ({ world, random, sites }) => {
  const site = random.pick(sites) as Site;
  const datastore = random.pick([site.images, ...site.systems]) as number;
  return {
    what: `monitor datastore ${datastore}`,
    run: () => world.one.monitor(datastore),
    apply: () => undefined,
  };
};

/** Often, and what is seldom possible more often than it seems. */
export const operations: readonly Chooser[] = [
  createImage,
  createImage,
  cloneImage,
  deleteImage,
  instantiate,
  instantiate,
  attach,
  detach,
  write,
  write,
  write,
  resize,
  snapshot,
  snapshot,
  revert,
  revert,
  deleteSnapshot,
  saveAs,
  poweroff,
  poweroff,
  suspend,
  resume,
  park,
  deploy,
  liveMigrate,
  migrate,
  terminate,
  monitor,
];
