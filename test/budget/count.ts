import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabRequest } from '../../src/lab/cluster.ts';
import { installVirsh } from '../../src/lab/hosts/virsh.ts';
import { datastoreXml, imageXml } from '../../src/lab/one/documents.ts';
import { labOne } from '../../src/lab/one/lab-one.ts';
import { datastoreOf, imageOf } from '../../src/lab/one/model.ts';
import { type Operation, Session } from '../../src/lab/one/oned.ts';
import type { ActionRecord } from '../../src/log/record.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/** What one call of an action costs in one case. */
export interface Cost {
  /** `tm/clone` */
  readonly action: string;
  readonly mode: string;
  readonly linstor: number;
  /** Of LINSTOR's satellites: passes of their device manager, and rounds of questions. */
  readonly passes: number;
  readonly asks: number;
  readonly ssh: number;
  readonly one: number;
}

/** Names the case of a record; undefined: not of interest here. */
type Naming = (record: ActionRecord) => string | undefined;

const isDisk = (record: ActionRecord): boolean => record.argv.some((word) => /\/disk\.\d+$/.test(word));

/** Counts what operations of oned's cost, by the driver's own record of each call. */
class Counter {
  readonly costs = new Map<string, Cost>();
  readonly lab: TestLab;

  constructor(lab: TestLab) {
    this.lab = lab;
  }

  /** Runs an operation; `cases` says which of its actions count, and as what. */
  async run<T extends Operation>(
    cases: Readonly<Record<string, string | Naming>>,
    work: () => Promise<T> | T,
    expected: 'done' | 'failed' = 'done',
  ): Promise<T> {
    const before = this.lab.records().length;
    const called = this.lab.calls.length;
    const done = await work();
    const fresh = this.lab.records().slice(before);
    const costs = this.#satellites(called, fresh);
    if (done.ok !== (expected === 'done'))
      throw new Error(`${done.command}: ${done.ok ? 'succeeded' : done.error}`);
    const missing = new Set(Object.keys(cases));
    for (const [index, record] of fresh.entries()) {
      const naming = cases[record.action];
      const mode = typeof naming === 'function' ? naming(record) : naming;
      if (mode === undefined) continue;
      missing.delete(record.action);
      this.#add(record, mode, costs[index] ?? { passes: -1, asks: -1 });
    }
    if (missing.size > 0) throw new Error(`${done.command} did not call ${[...missing].join(', ')}`);
    return done;
  }

  /** The driver's calls since then, in the order of its records; other drivers' calls leave no record. */
  #satellites(from: number, records: readonly ActionRecord[]): TestLab['work'] {
    const { calls, work } = this.lab;
    const ours = calls
      .slice(from)
      .map((call, index) => ({ name: `${call.kind}/${call.action}`, cost: work[from + index] }))
      .filter(({ name }) => records.some(({ action }) => action === name));
    const names = ours.map(({ name }) => name).join(' ');
    const recorded = records.map(({ action }) => action).join(' ');
    if (names !== recorded) throw new Error(`called: ${names}; recorded: ${recorded}`);
    return ours.flatMap(({ cost }) => cost ?? []);
  }

  #add(record: ActionRecord, mode: string, { passes, asks }: TestLab['work'][number]): void {
    const known = new Set<string>();
    const of = (kind: string): number =>
      record.calls.filter((call) => call.kind === kind && !isAskedAgain(call.verb, known)).length;
    const cost: Cost = {
      action: record.action,
      mode,
      linstor: of('linstor'),
      passes,
      asks,
      ssh: of('ssh'),
      one: of('one'),
    };
    const key = `${cost.action} ${cost.mode}`;
    const before = this.costs.get(key);
    if (before && JSON.stringify(before) !== JSON.stringify(cost))
      throw new Error(`${key} costs ${JSON.stringify(before)} once and ${JSON.stringify(cost)} another time`);
    this.costs.set(key, cost);
  }
}

/** How often LINSTOR is asked whether its own clone is ready depends on how long that takes, on the machine and not on us. */
function isAskedAgain(verb: string, known: Set<string>): boolean {
  if (!/^GET \S+\/clone\//.test(verb)) return false;
  if (known.has(verb)) return true;
  known.add(verb);
  return false;
}

type Stack = 'drbd' | 'plain';

/** One lab with its datastores, an image, and a host with and one without a replica of it. */
class Site {
  readonly counter: Counter;
  readonly lab: TestLab;
  readonly stack: Stack;
  images = -1;
  image = -1;
  /** Has a replica of the image. */
  near = '';
  /** Has none. */
  far = '';

  constructor(lab: TestLab, stack: Stack) {
    this.lab = lab;
    this.counter = new Counter(lab);
    this.stack = stack;
  }

  get one() {
    return this.lab.one;
  }

  template(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { RESOURCE_GROUP: this.stack, SAFE_DIRS: this.lab.cluster.paths.images, ...more };
  }

  async datastore(
    type: 'IMAGE' | 'SYSTEM',
    name: string,
    more: Record<string, string> = {},
  ): Promise<number> {
    const done = await this.one.createDatastore({ name, type, template: this.template(more) });
    if (!done.ok) throw new Error(done.error);
    return done.datastore;
  }

  async nodesOf(resource: string): Promise<string[]> {
    const view = (await this.lab.linstor('GET', `/v1/view/resources?resources=${resource}`)) as {
      node_name: string;
      flags?: string[];
    }[];
    return view.filter(({ flags = [] }) => !flags.includes('DISKLESS')).map(({ node_name }) => node_name);
  }

  /** An image action that oned's lab has no command for. */
  async imageAction(action: string, image: number): Promise<Operation> {
    const session = new Session(this.one.options);
    const state = session.read();
    const document = imageOf(state, image);
    const call = await session.datastoreAction(
      'linstor_un',
      action,
      image,
      imageXml(state, document),
      datastoreXml(state, datastoreOf(state, document.datastoreId), this.one.options.location),
    );
    return call.exitCode === 0 ? session.done(action) : session.failed(action, call);
  }
}

async function openSite(stack: Stack, request: Partial<LabRequest> = {}): Promise<Site> {
  const site = new Site(await startLab(request), stack);
  site.images = await site.datastore('IMAGE', 'images');
  return site;
}

const MiB = 1024 * 1024;

async function imageLife(site: Site): Promise<void> {
  const { counter, one, stack, lab } = site;
  const path = join(lab.cluster.paths.images, 'image.raw');
  writeFileSync(path, Buffer.alloc(4 * MiB, 'content'));
  const made = await counter.run(
    { 'datastore/stat': 'file', 'datastore/cp': stack, 'datastore/monitor': '' },
    () => one.createImage({ name: 'image', datastore: site.images, path }),
  );
  site.image = made.image;
  const near = await site.nodesOf(`one-image-${made.image}`);
  site.near = near[0] ?? '';
  site.far = lab.cluster.description.nodes.find((name) => !near.includes(name)) ?? '';
  await counter.run({ 'datastore/export': stack }, () => site.imageAction('export', made.image));
  const block = { datastore: site.images, sizeMb: 8 };
  const empty = await counter.run({ 'datastore/mkfs': `${stack}, empty` }, () =>
    one.createDatablock({ ...block, name: 'empty' }),
  );
  await counter.run({ 'datastore/mkfs': `${stack}, ext4` }, () =>
    one.createDatablock({ ...block, name: 'ext4', fs: 'ext4' }),
  );
  await counter.run({ 'datastore/clone': stack }, () => one.cloneImage(site.image, 'clone'));
  await counter.run({ 'datastore/rm': stack }, () => one.deleteImage(empty.image));
}

async function clones(site: Site): Promise<void> {
  const { counter, one, stack, image, near, far } = site;
  for (const mode of ['snapshot', 'copy'] as const) {
    const datastore = await site.datastore('SYSTEM', `by-${mode}`, { CLONE_MODE: mode });
    const label = `${stack}, CLONE_MODE=${mode}`;
    const first = await counter.run(
      mode === 'snapshot' ? { 'tm/clone': `${label}, the first of its image` } : {},
      () => one.instantiate({ name: `${mode}-first`, disks: [{ image }] }, { host: near, datastore }),
    );
    await one.terminate(first.vm);
    const vm = await counter.run({ 'tm/clone': `${label}, on a host with a replica` }, () =>
      one.instantiate({ name: mode, disks: [{ image }] }, { host: near, datastore }),
    );
    const grown = await counter.run({ 'tm/clone': `${label}, larger than the image` }, () =>
      one.instantiate({ name: `${mode}-grown`, disks: [{ image, sizeMb: 16 }] }, { host: near, datastore }),
    );
    const away = await counter.run(
      { 'tm/clone': `${label}, on a host without a replica`, 'tm/context': `${stack}, one disk` },
      () => one.instantiate({ name: `${mode}-away`, disks: [{ image }] }, { host: far, datastore }),
    );
    await counter.run(
      {
        'tm/delete': (record) =>
          isDisk(record) && clonedDisk(record) ? `${stack}, clone by ${mode}` : undefined,
      },
      () => one.terminate(vm.vm),
    );
    await one.terminate(grown.vm);
    await one.terminate(away.vm);
  }
}

/** Disk 0 of the VMs made here is the clone; the last one is the context CD-ROM. */
const clonedDisk = (record: ActionRecord): boolean => record.argv.some((word) => word.endsWith('/disk.0'));

async function retry(site: Site): Promise<void> {
  const { counter, one, stack, image, near, lab } = site;
  const datastore = await site.datastore('SYSTEM', 'retry', { CLONE_MODE: 'snapshot' });
  const second = await one.cloneImage(image, 'second');
  lab.served.linstor.lab.setFaults([
    { method: 'POST', path: `one-image-${second.image}/snapshots`, fault: { kind: 'code', code: 998 } },
  ]);
  const vm = await counter.run(
    {},
    () =>
      one.instantiate(
        { name: 'retry', disks: [{ image }, { image: second.image }] },
        { host: near, datastore },
      ),
    'failed',
  );
  lab.served.linstor.lab.setFaults([]);
  await counter.run(
    {
      'tm/clone': (record) =>
        clonedDisk(record) ? `${stack}, CLONE_MODE=snapshot, retried after it had completed` : undefined,
    },
    () => one.retry(vm.vm),
  );
  await counter.run(
    { 'tm/delete': (record) => (isDisk(record) ? undefined : `${stack}, VM directory`) },
    () => one.terminate(vm.vm),
  );
  await one.deleteImage(second.image);
}

async function volatile(site: Site): Promise<void> {
  const { counter, one, stack, near } = site;
  const datastore = await site.datastore('SYSTEM', 'volatile');
  const spec = { name: 'volatile', context: false } as const;
  for (const [label, disk] of [
    ['without a file system', { volatile: 'fs', sizeMb: 4 }],
    ['ext4', { volatile: 'fs', sizeMb: 16, fs: 'ext4' }],
  ] as const) {
    const vm = await counter.run({ 'tm/mkimage': `${stack}, ${label}` }, () =>
      one.instantiate({ ...spec, disks: [disk] }, { host: near, datastore }),
    );
    await counter.run(
      { 'tm/delete': (record) => (clonedDisk(record) ? `${stack}, volatile` : undefined) },
      () => one.terminate(vm.vm),
    );
  }
  const swap = await counter.run({ 'tm/mkswap': stack }, () =>
    one.instantiate({ ...spec, disks: [{ volatile: 'swap', sizeMb: 4 }] }, { host: near, datastore }),
  );
  await one.terminate(swap.vm);
}

async function snapshots(site: Site): Promise<void> {
  const { counter, one, stack, image, near } = site;
  const datastore = await site.datastore('SYSTEM', 'snapshots', { CLONE_MODE: 'snapshot' });
  const { vm } = await one.instantiate({ name: 's', disks: [{ image }] }, { host: near, datastore });
  await counter.run({ 'tm/snap_create_live': stack }, () => one.snapshotCreate(vm, 0, 'zero'));
  await counter.run({ 'tm/resize': stack }, () => one.resize(vm, 0, 16));
  const running = await counter.run({ 'tm/cpds': `${stack}, running`, 'datastore/mkfs': 'save_as' }, () =>
    one.saveAs(vm, 0, { name: 'running' }),
  );
  await counter.run({}, () => one.poweroff(vm));
  await counter.run({ 'tm/snap_create': stack }, () => one.snapshotCreate(vm, 0, 'one'));
  await counter.run({ 'tm/snap_revert': `${stack}, to the newest` }, () => one.snapshotRevert(vm, 0, 1));
  await counter.run({ 'tm/snap_revert': `${stack}, to an older one` }, () => one.snapshotRevert(vm, 0, 0));
  const off = await counter.run({ 'tm/cpds': `${stack}, powered off` }, () =>
    one.saveAs(vm, 0, { name: 'off' }),
  );
  const saved = await counter.run({ 'tm/cpds': `${stack}, of a snapshot` }, () =>
    one.saveAs(vm, 0, { name: 'saved', snapshot: 0 }),
  );
  await counter.run({ 'tm/snap_delete': stack }, () => one.snapshotDelete(vm, 0, 1));
  await one.terminate(vm);
  for (const made of [running, off, saved]) await one.deleteImage(made.image);
}

async function images(site: Site): Promise<void> {
  const { counter, one, stack, near, far } = site;
  const datastore = await site.datastore('SYSTEM', 'persistent');
  const { image } = await one.createDatablock({
    name: 'p',
    datastore: site.images,
    sizeMb: 8,
    persistent: true,
  });
  const [host = near] = await site.nodesOf(`one-image-${image}`);
  const disks = [{ image }];
  const first = await counter.run({ 'tm/ln': `${stack}, on a host with a replica` }, () =>
    one.instantiate({ name: 'p1', disks }, { host, datastore }),
  );
  await one.poweroff(first.vm);
  for (const name of ['zero', 'one', 'two', 'three']) await one.snapshotCreate(first.vm, 0, name);
  await counter.run({ 'tm/mvds': `${stack}, on a host with a replica` }, () => one.terminate(first.vm));
  await counter.run({ 'datastore/snap_delete': stack }, () => one.imageSnapshotDelete(image, 3));
  await counter.run({ 'datastore/snap_revert': `${stack}, to an older one` }, () =>
    one.imageSnapshotRevert(image, 1),
  );
  await counter.run({ 'datastore/snap_flatten': `${stack}, 3 snapshots` }, () =>
    one.imageSnapshotFlatten(image, 1),
  );
  const again = await one.instantiate({ name: 'p2', disks }, { host, datastore });
  await counter.run(
    { 'tm/delete': (record) => (clonedDisk(record) ? `${stack}, persistent, only detached` : undefined) },
    () => one.recoverDelete(again.vm),
  );
  if (stack === 'plain') return;
  const nodes = await site.nodesOf(`one-image-${image}`);
  const without = site.lab.cluster.description.nodes.find((name) => !nodes.includes(name)) ?? far;
  const away = await counter.run({ 'tm/ln': `${stack}, on a host without a replica` }, () =>
    one.instantiate({ name: 'p3', disks }, { host: without, datastore }),
  );
  await counter.run({ 'tm/mvds': `${stack}, on a host without a replica` }, () => one.terminate(away.vm));
}

async function moves(site: Site): Promise<void> {
  const { counter, one, image } = site;
  const datastore = await site.datastore('SYSTEM', 'moves', { CLONE_MODE: 'snapshot' });
  const { vm } = await one.instantiate({ name: 'm', disks: [{ image }] }, { host: site.near, datastore });
  const nodes = await site.nodesOf(`one-vm-${vm}-disk-0`);
  const near = { host: nodes[0] ?? '', datastore };
  const other = { host: nodes[1] ?? '', datastore };
  const far = {
    host: site.lab.cluster.description.nodes.find((name) => !nodes.includes(name)) ?? '',
    datastore,
  };
  const disk =
    (label: string): Naming =>
    (record) =>
      isDisk(record) ? (clonedDisk(record) ? label : undefined) : `VM directory, ${label}`;
  const cold = { poweroff: true };
  await counter.run({ 'tm/mv': disk('cold, to a host without a replica') }, () => one.migrate(vm, far, cold));
  await counter.run({ 'tm/mv': disk('cold, back to a host with a replica') }, () =>
    one.migrate(vm, near, cold),
  );
  await counter.run({ 'tm/mv': disk('cold, between hosts with replicas') }, () =>
    one.migrate(vm, other, cold),
  );
  await counter.run({}, () => one.resume(vm)).catch(() => undefined);
  await counter.run(
    {
      'tm/premigrate': 'one disk, to a host without a replica',
      'tm/postmigrate': 'one disk, from a host with a replica',
    },
    () => one.liveMigrate(vm, far),
  );
  await counter.run(
    {
      'tm/premigrate': 'one disk, to a host with a replica',
      'tm/postmigrate': 'one disk, from a host without a replica',
    },
    () => one.liveMigrate(vm, near),
  );
  await counter.run(
    { 'tm/failmigrate': 'one disk, back from a host without a replica' },
    () => one.liveMigrate(vm, far, { hypervisor: () => false }),
    'failed',
  );
  await counter.run({ 'tm/mv': disk('undeploy') }, () => one.undeploy(vm));
  await counter.run({ 'tm/mv': disk('resume from undeployed') }, () => one.deploy(vm, far));
  await counter.run({}, () => one.terminate(vm));
  const three = await one.instantiate(
    { name: 'm3', disks: [{ image }, { image }, { image }] },
    { host: site.near, datastore },
  );
  const [at] = await site.nodesOf(`one-vm-${three.vm}-disk-0`);
  await counter
    .run({}, () => one.migrate(three.vm, { host: at ?? '', datastore }, cold))
    .catch(() => undefined);
  await counter.run({ 'tm/premigrate': 'three disks', 'tm/postmigrate': 'three disks' }, () =>
    one.liveMigrate(three.vm, far),
  );
  await one.terminate(three.vm);
}

async function managedMoves(site: Site): Promise<void> {
  const { counter, one, image } = site;
  const datastore = await site.datastore('SYSTEM', 'managed', { CLONE_MODE: 'snapshot' });
  const { vm } = await one.instantiate({ name: 'mm', disks: [{ image }] }, { host: site.near, datastore });
  const label = 'one disk, LINSTOR 1.35 manages two primaries';
  await counter.run({ 'tm/premigrate': label, 'tm/postmigrate': label }, () =>
    one.liveMigrate(vm, { host: site.far, datastore }),
  );
  await one.terminate(vm);
}

/** What OpenNebula's own scripts on the host would do with a domain. */
function hypervisorScripts(lab: TestLab): void {
  const { dir, paths } = lab.cluster;
  const directory = join(dir, 'scripts/vmm/kvm');
  mkdirSync(directory, { recursive: true });
  const script = (name: string, body: string): void =>
    writeFileSync(join(directory, name), `#!/bin/bash\ncat >/dev/null\n${body}\n`, { mode: 0o755 });
  script('save', 'printf memory | dd of="$2" conv=notrunc status=none');
  script('restore', 'head -c 6 "$1" >/dev/null');
  writeFileSync(join(paths.var, 'config'), `SCRIPTS_REMOTE_DIR=${dir}/scripts\n`);
}

async function checkpoints(site: Site): Promise<void> {
  const { counter, stack, image, near } = site;
  const datastore = await site.datastore('SYSTEM', 'checkpoints', { CLONE_MODE: 'snapshot' });
  hypervisorScripts(site.lab);
  const one = labOne({ ...site.one.options, checkpoints: true });
  const { vm } = await one.instantiate(
    { name: 'c', disks: [{ image }], memoryMb: 64 },
    { host: near, datastore },
  );
  await counter.run({ 'vmm/save_linstor_un': stack }, () => one.suspend(vm));
  await counter.run({ 'vmm/restore_linstor_un': stack }, () => one.resume(vm));
  await one.terminate(vm);
}

/** With a freeze: the session that holds the guest is one of those. */
async function wholeVms(site: Site): Promise<void> {
  const { counter, one, stack, image, near, lab } = site;
  installVirsh(lab.cluster.dir, lab.cluster.description.nodes);
  const datastore = await site.datastore('SYSTEM', 'whole', { CLONE_MODE: 'snapshot' });
  const of = `${stack}, three disks`;
  const disks = [{ image }, { image }, { image }];
  const { vm } = await one.instantiate({ name: 'w', disks }, { host: near, datastore });
  await counter.run({ 'vmm/snapshot_create_linstor_un': of }, () => one.systemSnapshotCreate(vm));
  await counter.run({ 'vmm/snapshot_revert_linstor_un': of }, () => one.systemSnapshotRevert(vm, 0));
  await counter.run({ 'vmm/snapshot_delete_linstor_un': of }, () => one.systemSnapshotDelete(vm, 0));
  await one.terminate(vm);
}

/** Without a freeze: that is one more session on the VM's host. */
async function backups(site: Site): Promise<void> {
  const { counter, one, stack, image, near } = site;
  const datastore = await site.datastore('SYSTEM', 'backed-up', { CLONE_MODE: 'snapshot' });
  const store = (await one.createDatastore({ name: 'store', type: 'BACKUP', driver: 'rsync' })).datastore;
  const disks = [{ image }, { image }];
  const { vm } = await one.instantiate({ name: 'b', disks }, { host: near, datastore });
  const of = (what: string) => `${stack}, two disks${what}`;
  const back = (cases: Readonly<Record<string, string>>) =>
    counter.run(cases, () => one.backup(vm, { datastore: store }));
  await back({ 'tm/prebackup_live': of(', in full'), 'tm/postbackup_live': of(', in full') });
  one.configureBackup(vm, { MODE: 'INCREMENT' });
  await back({});
  const { image: chain } = await back({
    'tm/prebackup_live': of(', an increment'),
    'tm/postbackup_live': of(', an increment'),
  });
  await counter.run({}, () => one.poweroff(vm));
  await back({ 'tm/prebackup': of(', an increment'), 'tm/postbackup': of(', an increment') });
  await counter.run({ 'tm/restore': of('') }, () => one.restore(vm, { image: chain }));
  await one.terminate(vm);
}

async function monitors(site: Site): Promise<void> {
  const { counter, one, image, near, stack } = site;
  const datastore = await site.datastore('SYSTEM', 'monitored', { CLONE_MODE: 'snapshot' });
  await counter.run({ 'tm/monitor': 'capacity alone' }, () => one.monitor(datastore, { disks: false }));
  await counter.run({ 'tm/monitor': 'with usage of disks' }, () => one.monitor(datastore));
  const vms: number[] = [];
  for (const count of [1, 8]) {
    const disks = Array.from({ length: count }, () => ({ image }));
    const { vm, ok, error } = await one.instantiate(
      { name: `monitored-${count}`, disks },
      { host: near, datastore },
    );
    if (!ok) throw new Error(`${stack}: ${error}`);
    vms.push(vm);
    // The same case for every size: a count that grew with the disks would be refused by the counter.
    await counter.run({ 'tm/monitor': 'with usage of disks' }, () => one.monitor(datastore));
  }
  for (const vm of vms) await one.terminate(vm);
}

async function nativeClone(site: Site): Promise<void> {
  const { counter, one, stack, near, far, image } = site;
  const datastore = await site.datastore('SYSTEM', 'native', { CLONE_MODE: 'clone' });
  for (const [host, where] of [
    [near, 'with'],
    [far, 'without'],
  ] as const) {
    const label = `${stack}, CLONE_MODE=clone on LVM_THIN, on a host ${where} a replica`;
    const { vm } = await counter.run({ 'tm/clone': label }, () =>
      one.instantiate({ name: `native-${where}`, disks: [{ image }] }, { host, datastore }),
    );
    await one.terminate(vm);
  }
}

/** On LVM the device of a clone is known by its name. */
async function namesake(site: Site): Promise<void> {
  const { counter, one, stack, near, image } = site;
  const datastore = await site.datastore('SYSTEM', 'namesake', { CLONE_MODE: 'snapshot' });
  const label = `${stack}, CLONE_MODE=snapshot on LVM_THIN, on a host with a replica`;
  const disks = [{ image }];
  const first = await one.instantiate({ name: 'first', disks }, { host: near, datastore });
  const { vm } = await counter.run({ 'tm/clone': label }, () =>
    one.instantiate({ name: 'namesake', disks }, { host: near, datastore }),
  );
  await one.terminate(first.vm);
  await one.terminate(vm);
}

async function cost(site: Site, ...scenes: readonly ((site: Site) => Promise<void>)[]): Promise<Cost[]> {
  try {
    await imageLife(site);
    for (const scene of scenes) await scene(site);
    return [...site.counter.costs.values()];
  } finally {
    await site.lab.stop();
  }
}

const lvm = { pools: [{ name: 'thin', provider: 'LVM_THIN' }] } as const;

/** Every action in every case, one after the other. */
export async function countCosts(): Promise<Cost[]> {
  const all = [
    ...(await cost(
      await openSite('drbd'),
      clones,
      retry,
      volatile,
      snapshots,
      images,
      moves,
      checkpoints,
      monitors,
      backups,
      wholeVms,
    )),
    ...(await cost(await openSite('plain'), clones, volatile, snapshots, images, checkpoints)),
    ...(await cost(await openSite('drbd', lvm), nativeClone)).filter((each) =>
      each.mode.includes('LVM_THIN'),
    ),
    ...(await cost(await openSite('plain', lvm), namesake)).filter((each) => each.mode.includes('LVM_THIN')),
    ...(await cost(await openSite('drbd', { generation: '1.35' }), managedMoves)).filter((each) =>
      each.mode.includes('1.35'),
    ),
  ];
  const byName = new Map<string, Cost>();
  for (const each of all) {
    const known = byName.get(nameOf(each));
    if (known && JSON.stringify(known) !== JSON.stringify(each))
      throw new Error(
        `${nameOf(each)} costs ${JSON.stringify(known)} in one lab, ${JSON.stringify(each)} in another`,
      );
    byName.set(nameOf(each), each);
  }
  return [...byName.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

export const nameOf = ({ action, mode }: Pick<Cost, 'action' | 'mode'>): string => `${action} ${mode}`;

/** The asserted numbers; the docs show them. */
export const budgetFile = Bun.fileURLToPath(new URL('budget.json', import.meta.url));
