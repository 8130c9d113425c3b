import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLab, type TestLab } from '../support/lab.ts';
import { noise } from '../transfer/images.ts';

const mib = 1024 * 1024;

let lab: TestLab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(async () => lab.stop());

test('an image in plain storage of one node is cloned onto another: large enough for NBD, straight from host to host', async () => {
  const [first = '', second = ''] = lab.cluster.description.nodes;
  const template = (node: string) => ({
    RESOURCE_GROUP: 'plain',
    REPLICA_COUNT: '1',
    NODE_LIST: node,
    CLONE_MODE: 'copy',
    SAFE_DIRS: lab.cluster.paths.images,
  });
  const { datastore: images } = await lab.one.createDatastore({
    name: 'images',
    type: 'IMAGE',
    template: template(first),
  });
  const { datastore: system } = await lab.one.createDatastore({
    name: 'system',
    type: 'SYSTEM',
    template: template(second),
  });
  const path = join(lab.cluster.paths.images, 'large.raw');
  const content = noise(70 * mib);
  writeFileSync(path, content);
  const { image } = await lab.one.createImage({ name: 'large', datastore: images, path });
  const { vm, error } = await lab.one.instantiate(
    { name: 'vm', disks: [{ image }] },
    { host: second, datastore: system },
  );
  expect(error).toBeUndefined();
  const link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
  expect(lab.digest(second, link, content.length)).toBe(
    new Bun.CryptoHasher('sha256').update(content).digest('hex'),
  );
});
