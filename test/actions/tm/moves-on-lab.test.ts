import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, createCluster, type LabRequest } from '../../../src/lab/cluster.ts';
import { type ServedCluster, serveCluster } from '../../../src/lab/cluster-serve.ts';
import { detectIsolation, pathOnHost } from '../../../src/lab/hosts/hosts.ts';
import type { LabOne } from '../../../src/lab/one/lab-one.ts';
import type { Operation } from '../../../src/lab/one/oned.ts';

/**
 * Whole lives of VMs on the lab: its oned calls the driver as oned would, each call a process of its own, against the simulated
 * LINSTOR over REST and hosts over ssh.
 */

const isolated = detectIsolation() !== 'none';
/** Some forty processes, on a machine that may be busy. */
setDefaultTimeout(120_000);

/** Stand for virsh's save and restore; what matters is through which path they go. */
const saveScript = `#!/bin/bash
grep -q '<VMM_DRIVER_ACTION_DATA>' || exit 1
if [ -L "$2" ]; then kind=volume; printf 'saved memory' | dd of="$2" conv=notrunc status=none; else kind=file; printf 'saved memory' >"$2"; fi
echo "save $LAB_HOST $kind" >>"\${0%/*}/calls"
`;
const restoreScript = `#!/bin/bash
[ "$(head -c 12 "$1")" = 'saved memory' ] || exit 1
rm "$1"
echo "restore $LAB_HOST" >>"\${0%/*}/calls"
`;

interface Life {
  readonly dir: string;
  readonly cluster: Cluster;
  readonly served: ServedCluster;
  readonly one: LabOne;
  readonly systems: readonly [number, number];
  readonly images: number;
}

let life: Life | undefined;

async function start(
  request: Partial<LabRequest>,
  template: Readonly<Record<string, string>>,
): Promise<Life> {
  const dir = mkdtempSync(join(tmpdir(), 'linstor_un-moves-'));
  const cluster = createCluster({ dir: join(dir, 'lab'), ...request });
  const served = await serveCluster(cluster);
  const scripts = join(dir, 'scripts/vmm/kvm');
  mkdirSync(scripts, { recursive: true });
  writeFileSync(join(cluster.paths.var, 'config'), `SCRIPTS_REMOTE_DIR=${dir}/scripts\n`);
  for (const [name, text] of [
    ['save', saveScript],
    ['restore', restoreScript],
  ] as const) {
    writeFileSync(join(scripts, name), text);
    chmodSync(join(scripts, name), 0o755);
  }
  const one = cluster.one({ checkpoints: true });
  if (template['RESOURCE_GROUP']) {
    const body = {
      name: template['RESOURCE_GROUP'],
      select_filter: { place_count: 1, layer_stack: ['STORAGE'], storage_pool_list: ['thin'] },
    };
    const answer = await fetch(`${cluster.linstorUrl}/v1/resource-groups`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(201);
  }
  const image = await one.createDatastore({ name: 'images', type: 'IMAGE', template });
  const first = await one.createDatastore({ name: 'system', type: 'SYSTEM', template });
  const second = await one.createDatastore({ name: 'system2', type: 'SYSTEM', template });
  return { dir, cluster, served, one, systems: [first.datastore, second.datastore], images: image.datastore };
}

afterEach(async () => {
  await life?.served.stop();
  if (life) rmSync(life.dir, { recursive: true, force: true });
  life = undefined;
});

/** `node1`, `node2:diskless`, `node3:tie-breaker`. */
async function where({ cluster }: Life, name: string): Promise<string[]> {
  const view = (await (await fetch(`${cluster.linstorUrl}/v1/view/resources?resources=${name}`)).json()) as {
    node_name: string;
    flags?: string[];
  }[];
  const kind = (flags: readonly string[]): string =>
    flags.includes('TIE_BREAKER') ? ':tie-breaker' : flags.includes('DRBD_DISKLESS') ? ':diskless' : '';
  return view.map(({ node_name, flags = [] }) => `${node_name}${kind(flags)}`).sort();
}

async function names({ cluster }: Life): Promise<string[]> {
  const all = (await (await fetch(`${cluster.linstorUrl}/v1/resource-definitions`)).json()) as {
    name: string;
  }[];
  return all.map(({ name }) => name).sort();
}

async function dualPrimary({ cluster }: Life): Promise<string[]> {
  const all = (await (await fetch(`${cluster.linstorUrl}/v1/resource-definitions`)).json()) as {
    name: string;
    props?: Record<string, string>;
  }[];
  return all
    .filter(({ props }) => props?.['DrbdOptions/Net/allow-two-primaries'] === 'yes')
    .map(({ name }) => name);
}

const inDirectory = ({ cluster }: Life, host: string, system: number, vm: number, name: string): string =>
  pathOnHost(cluster.dir, host, `${cluster.paths.location}/${system}/${vm}/${name}`);

/** First bytes of a disk as its VM would see them on that host. */
function readDisk(on: Life, host: string, system: number, vm: number, disk: number): string {
  const device = readlinkSync(inDirectory(on, host, system, vm, `disk.${disk}`));
  return readFileSync(device).subarray(0, 8).toString();
}

function writeDisk(on: Life, host: string, system: number, vm: number, disk: number, text: string): void {
  const device = readlinkSync(inDirectory(on, host, system, vm, `disk.${disk}`));
  const written = Bun.spawnSync(['dd', `of=${device}`, 'conv=notrunc', 'status=none'], {
    stdin: Buffer.from(text),
  });
  expect(written.success).toBe(true);
}

const checkpointCalls = (on: Life): string[] =>
  readFileSync(join(on.dir, 'scripts/vmm/kvm/calls'), 'utf8').trim().split('\n');

async function migrateLive(
  on: Life,
  vm: number,
  expectAt: (host: string, system: number) => void,
): Promise<void> {
  const { one } = on;
  const [first] = on.systems;
  for (const host of ['node2', 'node3', 'node1']) {
    expect((await one.liveMigrate(vm, { host, datastore: first })).error).toBeUndefined();
    expectAt(host, first);
    expect(await dualPrimary(on)).toEqual([]);
  }
  const failed = await one.liveMigrate(vm, { host: 'node3', datastore: first }, { hypervisor: () => false });
  expect(failed.calls.map((call) => `${call.action} ${call.exitCode}`)).toEqual([
    'premigrate 0',
    'failmigrate 0',
  ]);
  expectAt('node1', first);
  expect(await dualPrimary(on)).toEqual([]);
}

describe.skipIf(!isolated).each(['1.33', '1.35'] as const)('a VM on DRBD, LINSTOR %s', (generation) => {
  let vm = 0;
  beforeEach(async () => {
    life = await start({ generation }, { REPLICA_COUNT: '2', STORAGE_POOL: 'thin' });
    const image = await life.one.createDatablock({ name: 'data', datastore: life.images, sizeMb: 8 });
    const persistent = await life.one.createDatablock({
      name: 'kept',
      datastore: life.images,
      sizeMb: 8,
      persistent: true,
    });
    const made = await life.one.instantiate(
      {
        disks: [{ image: image.image }, { image: persistent.image }, { volatile: 'fs', sizeMb: 8 }],
        name: 'vm',
      },
      { host: 'node1', datastore: life.systems[0] },
    );
    expect(made.error).toBeUndefined();
    vm = made.vm;
    for (const disk of [0, 1, 2]) writeDisk(life, 'node1', life.systems[0], vm, disk, `content${disk}`);
    writeFileSync(inDirectory(life, 'node1', life.systems[0], vm, 'nvram'), 'nvram');
  });

  function expectAt(host: string, system: number): void {
    if (!life) throw new Error('no lab');
    for (const disk of [0, 1, 2]) expect(readDisk(life, host, system, vm, disk)).toBe(`content${disk}`);
    expect(readFileSync(inDirectory(life, host, system, vm, 'nvram'), 'utf8')).toBe('nvram');
    for (const other of ['node1', 'node2', 'node3']) {
      for (const id of life.systems) {
        if (other !== host || id !== system)
          expect(existsSync(inDirectory(life, other, id, vm, ''))).toBe(false);
      }
    }
  }

  test('migrates live, there and on and back, and fails to', async () => {
    if (!life) throw new Error('no lab');
    await migrateLive(life, vm, expectAt);
  });

  // One generation is enough: LINSTOR's part in these is the same.
  if (generation === '1.33')
    test('moves cold, powered off, suspended, stopped and undeployed, and leaves nothing behind', async () => {
      if (!life) throw new Error('no lab');
      const { one, systems } = life;
      const [first, second] = systems;
      const fine = async (work: Operation | Promise<Operation>): Promise<void> => {
        const { error } = await work;
        expect(error).toBeUndefined();
      };
      await fine(one.migrate(vm, { host: 'node3', datastore: first }));
      expectAt('node3', first);
      await fine(one.poweroff(vm));
      await fine(one.migrate(vm, { host: 'node2', datastore: second }));
      expectAt('node2', second);
      await fine(one.migrate(vm, { host: 'node2', datastore: first }));
      expectAt('node2', first);
      await fine(one.resume(vm));
      await fine(one.suspend(vm));
      await fine(one.migrate(vm, { host: 'node1', datastore: first }));
      await fine(one.resume(vm));
      expectAt('node1', first);
      await fine(one.stop(vm));
      expect(await names(life)).toContain(`one-vm-${vm}-checkpoint`);
      await fine(one.deploy(vm, { host: 'node3', datastore: second }));
      expectAt('node3', second);
      await fine(one.undeploy(vm));
      await fine(one.deploy(vm, { host: 'node1', datastore: first }));
      expectAt('node1', first);
      expect(checkpointCalls(life)).toEqual([
        'save node1 volume',
        'restore node3',
        'save node2 volume',
        'restore node1',
        'save node1 volume',
        'restore node3',
      ]);
      // Two replicas and a tie-breaker or the VM's host: no diskless replica was left on a host that the VM has left.
      for (const name of [`one-vm-${vm}-disk-0`, `one-vm-${vm}-disk-2`, 'one-image-1']) {
        const replicas = await where(life, name);
        expect(replicas).toHaveLength(3);
        expect(
          replicas.filter((replica) => replica.endsWith(':diskless') && replica !== 'node1:diskless'),
        ).toEqual([]);
      }
      await fine(one.terminate(vm));
      expect(await names(life)).toEqual(['one-image-0', 'one-image-1']);
    });

  if (generation === '1.33')
    test('a dead host: its VM starts on another, and the host is not contacted', async () => {
      if (!life) throw new Error('no lab');
      const [first] = life.systems;
      rmSync(join(life.cluster.dir, 'hosts/node1'), { recursive: true });
      const moved = await life.one.migrate(vm, { host: 'node2', datastore: first }, { unknown: true });
      expect(moved.error).toBeUndefined();
      for (const disk of [0, 1, 2]) expect(readDisk(life, 'node2', first, vm, disk)).toBe(`content${disk}`);
    });
});

describe.skipIf(!isolated)('a VM on plain storage', () => {
  test('stays where its disks are, and suspends into a file', async () => {
    life = await start({}, { RESOURCE_GROUP: 'plain' });
    const { one, systems } = life;
    const [first] = systems;
    const made = await one.instantiate(
      { disks: [{ volatile: 'fs', sizeMb: 8 }], name: 'vm' },
      { host: 'node2', datastore: first },
    );
    expect(made.error).toBeUndefined();
    const { vm } = made;
    writeDisk(life, 'node2', first, vm, 0, 'content0');
    const name = `one-vm-${vm}-disk-0`;
    const live = await one.liveMigrate(vm, { host: 'node1', datastore: first });
    expect(live.error).toContain('NOT_REACHABLE_FROM_HOST');
    expect(await where(life, name)).toEqual(['node2']);
    expect(readDisk(life, 'node2', first, vm, 0)).toBe('content0');

    expect((await one.stop(vm)).error).toBeUndefined();
    const elsewhere = await one.deploy(vm, { host: 'node1', datastore: first });
    expect(elsewhere.error).toContain('NOT_REACHABLE_FROM_HOST');
    expect(await where(life, name)).toEqual(['node2']);
    expect(await names(life)).toEqual([name]);
    expect(checkpointCalls(life)).toEqual(['save node2 file']);
  });
});
