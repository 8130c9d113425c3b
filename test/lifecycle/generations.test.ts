import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLab, type TestLab } from '../support/lab.ts';

/** Calls and replies in the shape of each generation of OpenNebula (contract §0.1, §1.2), from import to removal. */
const generations = [
  { generation: '5.8', oneVersion: '5.8.5' },
  { generation: '6.0', oneVersion: '6.0.0' },
  { generation: '6.6', oneVersion: '6.6.2' },
  { generation: '7.2', oneVersion: '7.2.0' },
] as const;

describe.each(generations)('OpenNebula $oneVersion', ({ generation, oneVersion }) => {
  let lab: TestLab;
  beforeAll(async () => {
    lab = await startLab({ oneVersion }, {}, { generation });
  });
  afterAll(async () => lab.stop());

  test('image, clone, VM, live migration, snapshot, save, removal', async () => {
    const template = {
      RESOURCE_GROUP: 'drbd',
      CLONE_MODE: 'snapshot',
      SAFE_DIRS: lab.cluster.paths.images,
      RESTRICTED_DIRS: '/',
    };
    const { one } = lab;
    const done = <T extends { ok: boolean; error?: string }>(operation: T): T => {
      expect(operation.error).toBeUndefined();
      expect(operation.ok).toBe(true);
      return operation;
    };
    const images = done(await one.createDatastore({ name: 'i', type: 'IMAGE', template })).datastore;
    const system = done(await one.createDatastore({ name: 's', type: 'SYSTEM', template })).datastore;
    const path = join(lab.cluster.paths.images, 'image.raw');
    writeFileSync(path, Buffer.alloc(4 * 1024 * 1024, 'generation'));
    const { image } = done(await one.createImage({ name: 'image', datastore: images, path }));
    const copy = done(await one.cloneImage(image, 'copy')).image;
    const [a = '', b = ''] = lab.cluster.description.nodes;
    const disks = [{ image: copy }, { volatile: 'swap' as const, sizeMb: 4 }];
    const { vm } = done(await one.instantiate({ name: 'v', disks }, { host: a, datastore: system }));
    done(await one.monitor(system));
    done(await one.liveMigrate(vm, { host: b, datastore: system }));
    const link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
    expect(lab.read(b, link, 0, 10)).toBe('generation');
    done(await one.snapshotCreate(vm, 0, 'one'));
    const saved = done(await one.saveAs(vm, 0, { name: 'saved' })).image;
    done(await one.terminate(vm));
    for (const each of [saved, copy, image]) done(await one.deleteImage(each));
    expect(await lab.definitions()).toEqual([]);
  });

  test('a failure reaches the user as this release shows it', async () => {
    const missing = await lab.one.createImage({ name: 'x', datastore: 100, path: '/etc/shadow' });
    expect(missing.ok).toBe(false);
    const stderr = missing.calls.at(-1)?.stderr ?? '';
    expect(stderr).toContain('IMAGE_PATH');
    expect(stderr.includes('ERROR MESSAGE --8<------')).toBe(
      oneVersion === '5.8.5' || oneVersion === '6.0.0',
    );
  });
});
