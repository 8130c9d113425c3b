import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownBinary } from '../../src/tools/own-binary.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/** The command itself, killed wherever it is, on a VM that has its disk open all the while. */
setDefaultTimeout(240_000);

interface Seen {
  readonly node: string;
  readonly pool: string;
  readonly state: string;
  readonly diskless: boolean;
}

let lab: TestLab;
let vm = -1;
let image = -1;
let host = '';
let disk = '';

beforeAll(async () => {
  lab = await startLab({
    nodes: ['node1', 'node2', 'node3'],
    pools: [
      { name: 'thin', provider: 'FILE_THIN' },
      { name: 'fast', provider: 'FILE_THIN' },
    ],
  });
  await lab.linstor('POST', '/v1/resource-groups', {
    name: 'gold',
    select_filter: { place_count: 2, storage_pool_list: ['fast'], layer_stack: ['DRBD', 'STORAGE'] },
  });
  const template = { RESOURCE_GROUP: 'drbd', SAFE_DIRS: lab.cluster.paths.images, CLONE_MODE: 'copy' };
  const images = await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template });
  const system = await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template });
  const path = join(lab.cluster.paths.images, 'image.raw');
  writeFileSync(path, Buffer.alloc(4 * 1024 * 1024, 'content'));
  const made = await lab.one.createImage({ name: 'image', datastore: images.datastore, path });
  if (!made.ok) throw new Error(made.error);
  image = made.image;
  host = 'node1';
  const started = await lab.one.instantiate(
    { name: 'vm', disks: [{ image }] },
    { host, datastore: system.datastore },
  );
  if (!started.ok) throw new Error(started.error);
  vm = started.vm;
  disk = `one-vm-${vm}-disk-0`;
  lab.served.linstor.lab.setInUse(disk, host, true);
});
afterAll(async () => lab?.stop());

const replicas = async (name: string): Promise<Seen[]> => {
  const view = (await lab.linstor('GET', `/v1/view/resources?resources=${name}`)) as {
    node_name: string;
    flags?: string[];
    volumes: { storage_pool_name: string; state?: { disk_state?: string } }[];
  }[];
  return view.map(({ node_name, flags = [], volumes }) => ({
    node: node_name,
    pool: volumes[0]?.storage_pool_name ?? '',
    state: volumes[0]?.state?.disk_state ?? '',
    diskless: flags.includes('DISKLESS'),
  }));
};
const poolsOf = async (name: string): Promise<string[]> =>
  (await replicas(name)).filter(({ diskless }) => !diskless).map(({ pool }) => pool);
const inSync = async (name: string): Promise<number> =>
  (await replicas(name)).filter(({ diskless, state }) => !diskless && state === 'UpToDate').length;
const propsOf = async (name: string): Promise<Record<string, string>> =>
  ((await lab.linstor('GET', `/v1/resource-definitions/${name}`)) as { props: Record<string, string> }).props;
const stores = async (): Promise<string[]> =>
  ((await lab.linstor('GET', '/v1/key-value-store')) as { name: string }[]).map(({ name }) => name);

const start = (...args: string[]) =>
  Bun.spawn([ownBinary(), 'move', ...args], {
    env: { ...lab.one.options.env },
    cwd: lab.one.options.cwd,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
async function move(...args: string[]): Promise<{ code: number; text: string }> {
  const child = start(...args);
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, text: out + err };
}

describe('move', () => {
  test('a VM’s disk, killed again and again, and never with fewer copies', async () => {
    lab.served.linstor.lab.runtime.tuning.syncSeconds = 1;
    let fewest = 9;
    let kills = 0;
    let last = { code: -1, text: '' };
    for (; kills < 40; kills += 1) {
      const child = start('vm', String(vm), '--to-pool', 'fast', '--limit', '20M');
      const ended = new Response(child.stdout).text();
      const errors = new Response(child.stderr).text();
      const timer = setTimeout(() => child.kill('SIGKILL'), 700 + 400 * kills);
      while (child.exitCode === null && child.signalCode === null) {
        fewest = Math.min(fewest, await inSync(disk));
        await Bun.sleep(40);
      }
      clearTimeout(timer);
      last = { code: await child.exited, text: (await ended) + (await errors) };
      if (last.code === 0) break;
    }
    expect(last).toMatchObject({ code: 0 });
    expect(kills).toBeGreaterThan(1);
    expect(fewest).toBeGreaterThanOrEqual(2);
    expect(await poolsOf(disk)).toEqual(['fast', 'fast']);
    expect((await propsOf(disk))['DrbdOptions/PeerDevice/c-max-rate']).toBeUndefined();
    expect(await stores()).not.toContain('one-moves');
  });

  test('once more says that there is nothing to do, and changes nothing', async () => {
    const before = await replicas(disk);
    const { code, text } = await move('vm', String(vm), '--to-pool', 'fast');
    expect([code, text.includes('is there already')]).toEqual([0, true]);
    expect(await replicas(disk)).toEqual(before);
  });

  test('an image into a group, to which it belongs then', async () => {
    lab.served.linstor.lab.runtime.tuning.syncSeconds = 0;
    const { code, text } = await move('image', String(image), '--to-group', 'gold');
    expect([code, text]).toEqual([0, expect.stringContaining('moved')]);
    expect(await poolsOf(`one-image-${image}`)).toEqual(['fast', 'fast']);
    const definition = await lab.linstor('GET', `/v1/resource-definitions/one-image-${image}`);
    expect((definition as { resource_group_name: string }).resource_group_name).toBe('gold');
  });

  test('a disk with a snapshot is refused before anything changes', async () => {
    const made = await lab.one.snapshotCreate(vm, 0, 'kept');
    expect(made.ok).toBe(true);
    const before = await replicas(disk);
    const { code, text } = await move('vm', String(vm), '--to-pool', 'thin');
    expect([code, text]).toEqual([1, expect.stringContaining('has snapshots, which do not move with it')]);
    expect(await replicas(disk)).toEqual(before);
    expect(await stores()).not.toContain('one-moves');
  });

  test('what cannot be is refused by name', async () => {
    expect((await move('vm', String(vm), '--to-pool', 'nowhere')).text).toMatch(
      /LINSTOR has no storage pool [“"]nowhere[”"]/,
    );
    expect((await move('vm', String(vm), '--to-group', 'plain', '--to-pool', 'fast')).code).toBe(64);
    expect((await move('vm', '999', '--to-pool', 'fast')).text).toContain('ONE_NOT_FOUND');
  });
});
