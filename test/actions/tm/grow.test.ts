import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLab, type TestLab } from '../../support/lab.ts';

/** What grows in a thick pool shows there what the pool held before: nobody gets to read that. */

const MiB = 1024 * 1024;

describe.each([
  ['plain storage on a thick pool', ['STORAGE'], 1],
  ['DRBD on thick pools', ['DRBD', 'STORAGE'], 2],
] as const)('%s', (_, layers, replicas) => {
  let lab: TestLab;
  let system: number;
  let image: number;
  let host: string;
  const content = randomBytes(3 * MiB);

  beforeAll(async () => {
    lab = await startLab({
      pools: [{ name: 'thick', provider: 'LVM' }],
    });
    await lab.linstor('POST', '/v1/resource-groups', {
      name: 'grow',
      select_filter: { place_count: replicas, storage_pool_list: ['thick'], layer_stack: layers },
    });
    const template = { RESOURCE_GROUP: 'grow', SAFE_DIRS: lab.cluster.paths.images };
    const images = (await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
    system = (await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
    const path = join(lab.cluster.paths.images, 'image.raw');
    writeFileSync(path, Buffer.concat([content, Buffer.alloc(5 * MiB)]));
    image = (await lab.one.createImage({ name: 'image', datastore: images, path })).image;
    const [replica] = (await lab.linstor('GET', `/v1/view/resources?resources=one-image-${image}`)) as {
      node_name: string;
    }[];
    host = replica?.node_name ?? '';
  });
  afterAll(async () => lab.stop());

  const link = (vm: number, disk = 0): string =>
    join(lab.cluster.paths.location, String(system), String(vm), `disk.${disk}`);
  /** How many bytes of the device are not zero behind the image's content. */
  const dirty = (vm: number): number =>
    Number(lab.on(host, `tail -c +${3 * MiB + 1} '${link(vm)}' | tr -d '\\000' | wc -c`));
  const marks = async (vm: number): Promise<string | undefined> => {
    const definition = (await lab.linstor('GET', `/v1/resource-definitions/one-vm-${vm}-disk-0`)) as {
      props: Record<string, string>;
    };
    return definition.props['Aux/one/UNWIPED_FROM'];
  };

  test('a disk that grows, of a running VM and of one that is off', async () => {
    const made = await lab.one.instantiate({ name: 'g', disks: [{ image }] }, { host, datastore: system });
    expect(made.ok).toBe(true);
    const { vm } = made;
    for (const sizeMb of [24, 41]) {
      expect((await lab.one.resize(vm, 0, sizeMb)).ok).toBe(true);
      expect(Number(lab.on(host, `stat -Lc %s '${link(vm)}'`))).toBeGreaterThanOrEqual(sizeMb * MiB);
      expect(dirty(vm)).toBe(0);
      expect(await marks(vm)).toBeUndefined();
    }
    expect(lab.digest(host, link(vm), 3 * MiB)).toBe(
      new Bun.CryptoHasher('sha256').update(content).digest('hex'),
    );
    expect((await lab.one.terminate(vm)).ok).toBe(true);
  });

  test.each(['copy', 'clone'])('a clone that is larger than its image, CLONE_MODE=%s', async (mode) => {
    const disks = [{ image, sizeMb: 30 }];
    const template = { RESOURCE_GROUP: 'grow', CLONE_MODE: mode };
    const datastore = (await lab.one.createDatastore({ name: `s-${mode}`, type: 'SYSTEM', template }))
      .datastore;
    const made = await lab.one.instantiate({ name: `c-${mode}`, disks }, { host, datastore });
    expect(made.ok).toBe(true);
    const path = join(lab.cluster.paths.location, String(datastore), String(made.vm), 'disk.0');
    expect(Number(lab.on(host, `tail -c +${3 * MiB + 1} '${path}' | tr -d '\\000' | wc -c`))).toBe(0);
    expect(Number(lab.on(host, `stat -Lc %s '${path}'`))).toBeGreaterThanOrEqual(30 * MiB);
    expect((await lab.one.terminate(made.vm)).ok).toBe(true);
  });

  test('what a guest wrote between the size asked for and the end of its device stays', async () => {
    const made = await lab.one.instantiate({ name: 't', disks: [{ image }] }, { host, datastore: system });
    const size = Number(lab.on(host, `stat -Lc %s '${link(made.vm)}'`));
    lab.write(host, link(made.vm), size - 5, 'TAIL!');
    expect((await lab.one.resize(made.vm, 0, 24)).ok).toBe(true);
    expect(lab.read(host, link(made.vm), size - 5, 5)).toBe('TAIL!');
    expect(dirty(made.vm)).toBe(5);
    expect((await lab.one.terminate(made.vm)).ok).toBe(true);
  });

  test('a resize that was ended before the zeroing is finished by the next one, and by whoever attaches it', async () => {
    const made = await lab.one.instantiate({ name: 'k', disks: [{ image }] }, { host, datastore: system });
    const { vm } = made;
    const resource = `one-vm-${vm}-disk-0`;
    const size = (): number => Number(lab.on(host, `stat -Lc %s '${link(vm)}'`));
    const broken = async (sizeMb: number): Promise<void> => {
      const set = { override_props: { 'Aux/one/UNWIPED_FROM': String(size()) } };
      await lab.linstor('PUT', `/v1/resource-definitions/${resource}`, set);
      await lab.linstor('PUT', `/v1/resource-definitions/${resource}/volume-definitions/0`, {
        size_kib: sizeMb * 1024,
      });
      expect(dirty(vm)).toBeGreaterThan(MiB);
    };
    await broken(24);
    expect((await lab.one.resize(vm, 0, 24)).ok).toBe(true);
    expect(dirty(vm)).toBe(0);
    expect((await lab.one.poweroff(vm)).ok).toBe(true);
    await broken(36);
    expect((await lab.one.resume(vm)).ok).toBe(true);
    expect(dirty(vm)).toBe(0);
    expect(await marks(vm)).toBeUndefined();
    expect((await lab.one.terminate(vm)).ok).toBe(true);
  });
});
