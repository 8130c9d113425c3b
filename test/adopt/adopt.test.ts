import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLab, type TestLab } from '../support/lab.ts';

/** On the lab, by the compiled binary: images of volumes that are there already. */

const mib = 1024 * 1024;

const done = <T extends { ok: boolean; error?: string }>(operation: T): T => {
  expect(operation.error).toBeUndefined();
  return operation;
};

let lab: TestLab;
let images: number;
let system: number;
let raw: string;
let qcow2: string;

beforeAll(async () => {
  lab = await startLab();
  const template = {
    RESOURCE_GROUP: 'drbd',
    CLONE_MODE: 'snapshot',
    SAFE_DIRS: lab.cluster.paths.images,
    RESTRICTED_DIRS: '/',
    ADOPT_ALLOW: 'OpenNebula-Image-* foreign one-*',
  };
  images = done(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  system = done(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  raw = join(lab.cluster.paths.images, 'disk.raw');
  qcow2 = join(lab.cluster.paths.images, 'disk.qcow2');
  const bytes = Buffer.alloc(6 * mib);
  bytes.write('what the guest sees', 0);
  bytes.write('and at its end', 6 * mib - 100);
  writeFileSync(raw, bytes);
  expect(Bun.spawnSync(['qemu-img', 'convert', '-O', 'qcow2', raw, qcow2]).success).toBe(true);
});
afterAll(async () => lab.stop());

interface View {
  readonly name: string;
  readonly node_name: string;
  readonly flags?: readonly string[];
  readonly volumes?: readonly { readonly device_path?: string }[];
}

/** A volume that nobody of ours has made, with these bytes at its beginning on every replica, as DRBD would have them. */
async function foreign(name: string, sizeMib: number, file: string, group = 'drbd'): Promise<void> {
  await lab.linstor('POST', `/v1/resource-groups/${group}/spawn`, {
    resource_definition_name: name,
    volume_sizes: [sizeMib * 1024],
  });
  const view = (await lab.linstor('GET', `/v1/view/resources?resources=${name}`)) as View[];
  for (const replica of view) {
    const path = replica.volumes?.[0]?.device_path;
    if (path === undefined || replica.flags?.includes('DISKLESS') || replica.flags?.includes('TIE_BREAKER'))
      continue;
    const copied = Bun.spawnSync(['dd', `if=${file}`, `of=${path}`, 'conv=notrunc', 'status=none']);
    expect(copied.success).toBe(true);
  }
}

const host = (): string => lab.cluster.description.nodes[0] as string;

async function seen(image: number, length: number): Promise<string> {
  const { vm } = done(
    await lab.one.instantiate({ name: `v${image}`, disks: [{ image }] }, { host: host(), datastore: system }),
  );
  const link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
  const digest = lab.digest(host(), link, length);
  done(await lab.one.terminate(vm));
  return digest;
}

const digestOf = (file: string): string =>
  new Bun.CryptoHasher('sha256').update(readFileSync(file)).digest('hex');

describe('an image of a volume of somebody else’s', () => {
  test('raw: its blocks are shared, no byte moves, and the volume stays as it was', async () => {
    await foreign('foreign', 8, raw);
    const { image, calls } = done(
      await lab.one.createImage({ name: 'a', datastore: images, path: 'linstor://foreign' }),
    );
    expect(calls.find(({ action }) => action === 'stat')?.stdout.trim()).toBe('8');
    const names = lab.lastRecord().calls?.map(({ verb }) => verb) ?? [];
    expect(names.filter((verb) => /copy|nbd|send|convert|unpack/.test(verb))).toEqual([]);
    expect(await seen(image, 6 * mib)).toBe(digestOf(raw));
    expect(await lab.definitions()).toContain('foreign');
    expect(await lab.snapshots()).toEqual([]);
    done(await lab.one.deleteImage(image));
    expect(await lab.definitions()).toContain('foreign');
  });

  test('of a snapshot of it', async () => {
    await lab.linstor('POST', '/v1/resource-definitions/foreign/snapshots', { name: 'before' });
    const { image } = done(
      await lab.one.createImage({ name: 'b', datastore: images, path: 'linstor://foreign@before' }),
    );
    expect(await seen(image, 6 * mib)).toBe(digestOf(raw));
    expect((await lab.definitions()).filter((name) => name.includes('tmp'))).toEqual([]);
    const missing = await lab.one.createImage({
      name: 'c',
      datastore: images,
      path: 'linstor://foreign@other',
    });
    expect(missing.error).toContain('SNAPSHOT');
  });

  test('as LINBIT’s driver makes it, with a qcow2 image in the device: unpacked, and cloned to a VM', async () => {
    await foreign('OpenNebula-Image-3', 8, qcow2);
    const { image, calls } = done(
      await lab.one.createImage({ name: 'd', datastore: images, path: 'linstor://OpenNebula-Image-3' }),
    );
    expect(calls.find(({ action }) => action === 'stat')?.stdout.trim()).toBe('6');
    expect(await seen(image, 6 * mib)).toBe(digestOf(raw));
    const made = lab.one.read().images.find(({ id }) => id === image);
    expect(made).toMatchObject({ format: 'raw', sizeMb: 6, source: `/dev/drbd/by-res/one-image-${image}/0` });
    const taken = await lab.one.createImage({
      name: 'e',
      datastore: images,
      path: 'linstor://OpenNebula-Image-3',
      template: { ADOPT: 'take' },
    });
    expect(taken.error).toContain('IMAGE_FORMAT');
  });

  test('a qcow2 image in the device that names another file is refused', async () => {
    const backed = join(lab.cluster.paths.images, 'backed.qcow2');
    Bun.spawnSync(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', raw, '-F', 'raw', backed]);
    await foreign('OpenNebula-Image-4', 8, backed);
    const refused = await lab.one.createImage({
      name: 'f',
      datastore: images,
      path: 'linstor://OpenNebula-Image-4',
    });
    expect(refused.error).toContain('IMAGE_HOSTILE');
  });

  test('what this driver has made is raw, whatever it begins with', async () => {
    const { image: own } = done(await lab.one.createDatablock({ name: 'g', datastore: images, sizeMb: 8 }));
    const view = (await lab.linstor('GET', `/v1/view/resources?resources=one-image-${own}`)) as View[];
    for (const { volumes } of view) {
      const path = volumes?.[0]?.device_path;
      if (path) Bun.spawnSync(['dd', `if=${qcow2}`, `of=${path}`, 'conv=notrunc', 'status=none']);
    }
    const { image, calls } = done(
      await lab.one.createImage({ name: 'h', datastore: images, path: `linstor://one-image-${own}` }),
    );
    expect(calls.find(({ action }) => action === 'stat')?.stdout.trim()).toBe('8');
    const size = statSync(qcow2).size;
    expect(await seen(image, size)).toBe(digestOf(qcow2));
    const taken = await lab.one.createImage({
      name: 'i',
      datastore: images,
      path: `linstor://one-image-${own}`,
      template: { ADOPT: 'take' },
    });
    expect(taken.error).toContain(`image ${own} has it`);
  });

  test('taken over: the volume itself becomes the image', async () => {
    await foreign('OpenNebula-Image-9', 8, raw);
    const before = await lab.definitions();
    const { image } = done(
      await lab.one.createImage({
        name: 'j',
        datastore: images,
        path: 'linstor://OpenNebula-Image-9',
        template: { ADOPT: 'take' },
      }),
    );
    expect(await lab.definitions()).toEqual(before);
    expect(lab.one.read().images.find(({ id }) => id === image)?.source).toBe(
      '/dev/drbd/by-res/OpenNebula-Image-9/0',
    );
    expect(await seen(image, 6 * mib)).toBe(digestOf(raw));
    done(await lab.one.deleteImage(image));
    expect(await lab.definitions()).not.toContain('OpenNebula-Image-9');
  });
});

describe('between hosts that have no disk in common', () => {
  test('plain storage on one node becomes a volume on another, raw and out of a qcow2 image', async () => {
    const [from = '', to = ''] = lab.cluster.description.nodes;
    const elsewhere = done(
      await lab.one.createDatastore({
        name: 'elsewhere',
        type: 'IMAGE',
        template: { RESOURCE_GROUP: 'plain', NODE_LIST: to, ADOPT_ALLOW: 'plain-*', RESTRICTED_DIRS: '/' },
      }),
    ).datastore;
    for (const [name, file] of [
      ['plain-raw', raw],
      ['plain-qcow2', qcow2],
    ] as const) {
      await lab.linstor('POST', '/v1/resource-groups/plain/spawn', {
        resource_definition_name: name,
        volume_sizes: [8 * 1024],
        select_filter: { node_name_list: [from] },
      });
      const view = (await lab.linstor('GET', `/v1/view/resources?resources=${name}`)) as View[];
      expect(view.map((each) => each.node_name)).toEqual([from]);
      const path = view[0]?.volumes?.[0]?.device_path ?? '';
      expect(Bun.spawnSync(['dd', `if=${file}`, `of=${path}`, 'conv=notrunc', 'status=none']).success).toBe(
        true,
      );
      const { image } = done(
        await lab.one.createImage({ name, datastore: elsewhere, path: `linstor://${name}` }),
      );
      const made = (await lab.linstor('GET', `/v1/view/resources?resources=one-image-${image}`)) as View[];
      expect(made.map((each) => each.node_name)).toEqual([to]);
      const device = made[0]?.volumes?.[0]?.device_path ?? '';
      expect(digestOf(raw)).toBe(
        new Bun.CryptoHasher('sha256').update(readFileSync(device).subarray(0, 6 * mib)).digest('hex'),
      );
    }
  });
});

describe('who may', () => {
  test('a tenant gets nobody’s volume, and learns nothing of what is not listed', async () => {
    await foreign('secret', 8, raw);
    const unlisted = await lab.one.createImage({
      name: 'k',
      datastore: images,
      path: 'linstor://secret',
      uid: 5,
    });
    const absent = await lab.one.createImage({
      name: 'l',
      datastore: images,
      path: 'linstor://absent',
      uid: 5,
    });
    expect([unlisted.image, absent.image]).toEqual([-1, -1]);
    expect(unlisted.error?.replaceAll('secret', 'absent')).toBe(absent.error);
    const listed = await lab.one.createImage({
      name: 'm',
      datastore: images,
      path: 'linstor://foreign',
      uid: 5,
    });
    expect(listed.error).toContain('IMAGE_SOURCE');
    expect(await lab.definitions()).not.toContain(`one-image-${listed.image}`);
  });

  test('a disk that a VM has open is not taken from under it', async () => {
    const { image } = done(await lab.one.createDatablock({ name: 'n', datastore: images, sizeMb: 8 }));
    const { vm } = done(
      await lab.one.instantiate({ name: 'w', disks: [{ image }] }, { host: host(), datastore: system }),
    );
    const take = await lab.one.createImage({
      name: 'o',
      datastore: images,
      path: `linstor://one-vm-${vm}-disk-0`,
      template: { ADOPT: 'take' },
    });
    expect(take.error).toMatch(/IN_USE/);
    done(await lab.one.terminate(vm));
  });
});
