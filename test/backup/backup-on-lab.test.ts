import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupOperation } from '../../src/lab/one/backups.ts';
import type { Operation } from '../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../support/lab.ts';

const MiB = 1024 * 1024;

function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) {
    const trace = operation.calls.map(
      (call) => `${call.kind}/${call.action} ${call.argv.join(' ')} → ${call.exitCode} ${call.stderr}`,
    );
    throw new Error(`${operation.command}: ${operation.error}\n${trace.join('\n')}`);
  }
  return operation;
}

describe.each(['drbd', 'plain'] as const)('backups of disks in group %s', (group) => {
  let lab: TestLab;
  let system: number;
  let store: number;
  let image: number;
  let host: string;
  let vm: number;
  const content = randomBytes(3 * MiB);

  const link = (disk: number): string =>
    join(lab.cluster.paths.location, String(system), String(vm), `disk.${disk}`);
  const directory = (): string => join(lab.cluster.paths.location, String(system), String(vm), 'backup');
  const digest = (disk: number): string =>
    lab.on(host, `cat '${link(disk)}' | sha256sum | cut -c1-64`).trim();
  const backup = async (): Promise<BackupOperation> => lab.one.backup(vm, { datastore: store });
  /** What a restore of the backup would give: the disk's content by way of the downloader. */
  const restored = (image: number, disk: number, increment?: number): string => {
    const { increments = [], source, vms } = lab.one.read().images.find((each) => each.id === image) ?? {};
    const links = increments.length > 0 ? increments : [{ id: 0, source: source ?? '' }];
    const upTo = links.filter(({ id }) => id <= (increment ?? links.at(-1)?.id ?? 0));
    const last = upTo.at(-1) ?? { id: 0, source: '' };
    const base = join(lab.cluster.paths.location, String(store), String(vms?.[0]));
    const chain = upTo.map(({ id, source }) => `${id}:${source}`).join(',');
    const url = `rsync://${store}//${chain}${base}/${last.source}/disk.${disk}.${last.id}`;
    const script = join(lab.cluster.paths.remotes, 'datastore/downloader.sh');
    const result = Bun.spawnSync([
      'bash',
      '-c',
      'f=$(mktemp) && "$1" --nodecomp "$2" - >"$f" && qemu-img convert -f qcow2 -O raw "$f" "$f.raw" && sha256sum <"$f.raw"; code=$?; rm -f "$f" "$f.raw"; exit $code',
      'x',
      script,
      url,
    ]);
    if (!result.success) throw new Error(result.stderr.toString());
    return result.stdout.toString().slice(0, 64);
  };

  beforeAll(async () => {
    lab = await startLab();
    const template = {
      RESOURCE_GROUP: group,
      CLONE_MODE: 'snapshot',
      SAFE_DIRS: lab.cluster.paths.images,
    };
    const images = ok(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
    system = ok(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
    store = ok(await lab.one.createDatastore({ name: 'store', type: 'BACKUP', driver: 'rsync' })).datastore;
    const path = join(lab.cluster.paths.images, 'image.raw');
    writeFileSync(path, Buffer.concat([content, Buffer.alloc(5 * MiB)]));
    image = ok(await lab.one.createImage({ name: 'image', datastore: images, path })).image;
    const [replica] = (await lab.linstor('GET', `/v1/view/resources?resources=one-image-${image}`)) as {
      node_name: string;
    }[];
    host = replica?.node_name ?? '';
    const disks = [{ image, sizeMb: 16 }, { image }];
    vm = ok(await lab.one.instantiate({ name: 'a', disks }, { host, datastore: system })).vm;
  });
  afterAll(async () => lab.stop());

  test('a full backup of a running VM holds its disks, and nothing is left', async () => {
    const before = await lab.definitions();
    const made = ok(await backup());
    expect(restored(made.image, 0)).toBe(digest(0));
    expect(restored(made.image, 1)).toBe(digest(1));
    expect(await lab.snapshots()).toEqual([]);
    expect(await lab.definitions()).toEqual(before);
    expect(existsSync(directory())).toBe(false);
  });

  test('one of a powered off VM too', async () => {
    ok(await lab.one.poweroff(vm));
    lab.write(host, link(0), 5 * MiB, 'later');
    const made = ok(await backup());
    expect(restored(made.image, 0)).toBe(digest(0));
    ok(await lab.one.resume(vm));
  });

  test('what a satellite has kept of a snapshot that LINSTOR has forgotten is in none', async () => {
    const connect = (connection: string) => lab.linstor('PUT', `/lab/nodes/${host}`, { connection });
    const snapshots = `/v1/resource-definitions/one-vm-${vm}-disk-0/snapshots`;
    await lab.linstor('POST', snapshots, { name: 'one-backup-full' });
    await connect('OFFLINE');
    await lab.linstor('DELETE', `${snapshots}/one-backup-full`);
    await connect('ONLINE');
    lab.write(host, link(0), 6 * MiB, 'latest');
    const made = ok(await backup());
    expect(restored(made.image, 0)).toBe(digest(0));
    expect(restored(made.image, 1)).toBe(digest(1));
    expect(await lab.snapshots()).toEqual([]);
  });

  describe('a chain of increments', () => {
    /** What the disks held at each increment of the chain. */
    const held: string[] = [];
    let chain = -1;
    const step = async (): Promise<BackupOperation> => {
      held.push(digest(0));
      const made = ok(await backup());
      chain = made.image;
      return made;
    };
    const allocated = (increment: number, disk = 0): number => {
      const source = lab.one.read().images.find(({ id }) => id === chain)?.increments?.[increment]?.source;
      const file = join(lab.cluster.paths.location, `${store}/${vm}/${source}/disk.${disk}.${increment}`);
      const map = JSON.parse(
        Bun.spawnSync(['qemu-img', 'map', '--output=json', '-f', 'qcow2', file]).stdout.toString(),
      ) as { length: number; present: boolean; depth: number }[];
      return map.filter(({ present }) => present).reduce((sum, { length }) => sum + length, 0);
    };
    const points = async (): Promise<string[]> =>
      (await lab.snapshots()).filter((name) => name.startsWith(`one-vm-${vm}-disk-0/`));
    const everyLinkRestores = (): void => {
      expect(held.map((_, increment) => restored(chain, 0, increment))).toEqual(held);
    };

    test('begins with everything', async () => {
      lab.one.configureBackup(vm, { MODE: 'INCREMENT' });
      await step();
      expect(await points()).toEqual([`one-vm-${vm}-disk-0/one-backup-0`]);
    });

    test('goes on with what was written, zeroed and grown', async () => {
      lab.write(host, link(0), 70_000, 'written across no cluster border');
      lab.on(host, `dd if=/dev/zero of='${link(0)}' bs=64K seek=16 count=4 conv=notrunc,nocreat status=none`);
      await step();
      expect(allocated(1)).toBe(5 * 65_536);
      expect(allocated(1, 1)).toBe(0);
      ok(await lab.one.resize(vm, 0, 20));
      lab.write(host, link(0), 20 * MiB - 5, 'END');
      await step();
      expect(allocated(2)).toBe(65_536);
      everyLinkRestores();
      expect(await points()).toEqual([
        `one-vm-${vm}-disk-0/one-backup-1`,
        `one-vm-${vm}-disk-0/one-backup-2`,
      ]);
    });

    test('a backup in which nothing has changed is an empty file that is there', async () => {
      await step();
      expect(allocated(3)).toBe(0);
      everyLinkRestores();
    });

    test('what OpenNebula did not record is left out by the next one', async () => {
      lab.write(host, link(0), 2 * MiB, 'before the reply was lost');
      ok(await lab.one.backup(vm, { datastore: store, unrecorded: true }));
      lab.write(host, link(0), 9 * MiB, 'after the reply was lost');
      await step();
      expect(allocated(4)).toBe(2 * 65_536);
      everyLinkRestores();
    });

    test('a lost parent heals: the increment holds everything', async () => {
      await lab.linstor('DELETE', `/v1/resource-definitions/one-vm-${vm}-disk-0/snapshots/one-backup-4`);
      lab.write(host, link(0), 3 * MiB, 'after the parent was lost');
      lab.on(host, `dd if=/dev/zero of='${link(0)}' bs=64K seek=2 count=2 conv=notrunc,nocreat status=none`);
      const made = await step();
      expect(made.calls[0]?.stderr).toContain('holds the whole disk');
      expect(allocated(5)).toBeGreaterThanOrEqual(20 * MiB);
      lab.write(host, link(0), 4 * MiB, 'and on');
      await step();
      everyLinkRestores();
    });

    test('a chain that was reset begins anew', async () => {
      lab.one.configureBackup(vm, { MODE: 'FULL' });
      held.length = 0;
      ok(await backup());
      expect(await points()).toEqual([]);
      lab.one.configureBackup(vm, { MODE: 'INCREMENT' });
      await step();
      everyLinkRestores();
      expect(await points()).toEqual([`one-vm-${vm}-disk-0/one-backup-0`]);
    });
  });

  test('the VM goes without a trace', async () => {
    ok(await lab.one.terminate(vm));
    expect(await lab.definitions()).toEqual([`one-image-${image}`]);
    expect(await lab.snapshots()).toEqual([]);
  });
});
