import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../../support/lab.ts';

setDefaultTimeout(120_000);

const MiB = 1024 * 1024;

function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) throw new Error(`${operation.command}: ${operation.error}`);
  return operation;
}

/** One snapshot of an image serves all its clones, and nothing that the image held before a change. */
describe.each(['drbd', 'plain'] as const)('clones of one image, %s', (group) => {
  let lab: TestLab;
  let images: number;
  let system: number;
  let image: number;
  let resource: string;
  let host: string;

  beforeAll(async () => {
    lab = await startLab();
    const template = { RESOURCE_GROUP: group, CLONE_MODE: 'snapshot', SAFE_DIRS: lab.cluster.paths.images };
    images = ok(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
    system = ok(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  });
  afterAll(() => lab.stop());

  beforeEach(async () => {
    const path = join(lab.cluster.paths.images, `image-${Math.random()}.raw`);
    writeFileSync(path, Buffer.alloc(2 * MiB, 'first '));
    image = ok(await lab.one.createImage({ name: path, datastore: images, path })).image;
    resource = `one-image-${image}`;
    host = (await nodes(resource))[0] ?? '';
  });

  const nodes = async (name: string): Promise<string[]> =>
    (
      (await lab.linstor('GET', `/v1/view/resources?resources=${name}`)) as {
        node_name: string;
        flags?: string[];
      }[]
    )
      .filter(({ flags = [] }) => !flags.includes('DISKLESS'))
      .map(({ node_name }) => node_name);
  const snapshots = async (of = resource): Promise<string[]> =>
    ((await lab.linstor('GET', `/v1/view/snapshots?resources=${of}`)) as { name: string }[]).map(
      ({ name }) => name,
    );
  const link = (vm: number): string => join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
  const instantiate = (name: string) =>
    lab.one.instantiate({ name, disks: [{ image }], context: false }, { host, datastore: system });
  const first = (vm: number): string => lab.read(host, link(vm), 0, 5);
  const posts = (since: number, what: RegExp): number =>
    lab
      .records()
      .slice(since)
      .flatMap((record) => record.calls)
      .filter((call) => what.test(call.verb)).length;
  const persistent = (value: boolean): void =>
    lab.one.options.store.update((state) => {
      for (const each of state.images) if (each.id === image) each.persistent = value;
    });

  test('six at once take one snapshot, which stays with the image and is in nobody’s way', async () => {
    const before = lab.records().length;
    const made = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => instantiate(`at-once-${n}`)));
    for (const each of made) ok(each);
    expect(made.map(({ vm }) => first(vm))).toEqual(Array(6).fill('first'));
    expect(posts(before, /POST .*\/snapshots$/)).toBe(1);
    expect(posts(before, /DELETE .*\/snapshots\//)).toBe(0);
    expect(await snapshots()).toEqual(['one-base-1']);
    for (const { vm } of made) ok(await lab.one.terminate(vm));
    expect(await snapshots()).toEqual(['one-base-1']);
    ok(await lab.one.deleteImage(image));
    expect(await lab.definitions()).toEqual([]);
  });

  test('what a VM has written to the image is in the next clone', async () => {
    ok(await lab.one.terminate(ok(await instantiate('old')).vm));
    persistent(true);
    const { vm } = ok(await instantiate('writes'));
    expect(await snapshots()).toEqual([]);
    lab.write(host, link(vm), 0, 'after');
    ok(await lab.one.terminate(vm));
    persistent(false);
    const clone = ok(await instantiate('new'));
    expect(first(clone.vm)).toBe('after');
    expect(await snapshots()).toEqual(['one-base-1']);
    ok(await lab.one.terminate(clone.vm));
    ok(await lab.one.deleteImage(image));
  });

  test('what a satellite has kept of a base that LINSTOR has forgotten is not taken for the new one', async () => {
    ok(await lab.one.terminate(ok(await instantiate('old')).vm));
    const connect = (connection: string) => lab.linstor('PUT', `/lab/nodes/${host}`, { connection });
    await connect('OFFLINE');
    await lab.linstor('DELETE', `/v1/resource-definitions/${resource}/snapshots/one-base-1`);
    await connect('ONLINE');
    persistent(true);
    const { vm } = ok(await instantiate('writes'));
    lab.write(host, link(vm), 0, 'after');
    ok(await lab.one.terminate(vm));
    persistent(false);
    const before = lab.records().length;
    const clone = ok(await instantiate('new'));
    expect(first(clone.vm)).toBe('after');
    expect(posts(before, /POST .*\/snapshots$/)).toBe(2);
    ok(await lab.one.terminate(clone.vm));
    ok(await lab.one.deleteImage(image));
  });

  test('what LINSTOR took late, of an image that somebody writes to, serves no clone', async () => {
    persistent(true);
    const { vm } = ok(await instantiate('writes'));
    // The request of a clone that was killed had waited in the controller; it knows no marks yet.
    const marks = ['VM_ID', 'DISK_ID', 'DS_ID'].map((key) => `Aux/one/${key}`);
    await lab.linstor('PUT', `/v1/resource-definitions/${resource}`, { delete_props: marks });
    await lab.linstor('POST', `/v1/resource-definitions/${resource}/snapshots`, { name: 'one-base-1' });
    lab.write(host, link(vm), 0, 'after');
    ok(await lab.one.terminate(vm));
    persistent(false);
    const clone = ok(await instantiate('new'));
    expect(first(clone.vm)).toBe('after');
    ok(await lab.one.terminate(clone.vm));
    ok(await lab.one.deleteImage(image));
  });

  test('an image is not written to while its snapshot cannot be deleted', async () => {
    ok(await lab.one.terminate(ok(await instantiate('old')).vm));
    persistent(true);
    lab.served.linstor.lab.setFaults([
      { method: 'DELETE', path: 'snapshots/one-base-1', fault: { kind: 'code', code: 998 } },
    ]);
    const refused = await instantiate('refused');
    lab.served.linstor.lab.setFaults([]);
    expect(refused.ok).toBe(false);
    expect(refused.error).toContain('snapshot one-base-1');
    ok(await lab.one.recoverDelete(refused.vm));
    ok(await lab.one.deleteImage(image));
    expect(await lab.definitions()).toEqual([]);
  });

  test.if(group === 'drbd')(
    'a disk that LINSTOR does not use makes a full copy, at once and said aloud',
    async () => {
      const path = `/v1/resource-definitions/${resource}/resources/${host}`;
      await lab.linstor('PUT', path, { override_props: { 'DrbdOptions/SkipDisk': 'True' } });
      const before = lab.records().length;
      const clone = ok(await instantiate('copied'));
      expect(first(clone.vm)).toBe('first');
      expect(posts(before, /POST .*\/snapshots$/)).toBe(0);
      const said = lab.calls.filter((call) => call.action === 'clone').at(-1)?.stderr ?? '';
      expect(said).toContain('becomes a full copy');
      expect(said).toContain(`linstor resource set-property ${host} ${resource} DrbdOptions/SkipDisk`);
      ok(await lab.one.terminate(clone.vm));
      ok(await lab.one.deleteImage(image));
      expect(await lab.definitions()).toEqual([]);
    },
  );

  test('one that was not finished, or that cannot be restored, gives way to another', async () => {
    await lab.linstor('POST', `/v1/resource-definitions/${resource}/snapshots`, { name: 'one-base-4' });
    lab.served.linstor.lab.setFaults([
      { method: 'POST', path: 'snapshot-restore-resource/one-base-4', fault: { kind: 'code', code: 998 } },
    ]);
    const clone = ok(await instantiate('other'));
    lab.served.linstor.lab.setFaults([]);
    expect(first(clone.vm)).toBe('first');
    expect(await snapshots()).toEqual([]);
    ok(await lab.one.terminate(clone.vm));
    ok(await lab.one.deleteImage(image));
    expect(await lab.definitions()).toEqual([]);
  });
});
