import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLab, type TestLab } from '../support/lab.ts';

/** A container of LUKS, which QEMU opens by LUKS_SECRET: to the driver it is data, kept to the byte. */
let lab: TestLab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(async () => lab.stop());

const MiB = 1024 * 1024;
const ok = <T extends { ok: boolean; error?: string }>(operation: T): T => {
  expect(operation.error).toBeUndefined();
  return operation;
};

/** qemu-img and the passphrase in `key`; its words on failure. */
function qemu(...argv: string[]): string {
  const result = Bun.spawnSync(argv, { stdin: 'ignore' });
  if (!result.success) throw new Error(`${argv.join(' ')}: ${result.stderr}`);
  return result.stdout.toString();
}

test.each(['snapshot', 'copy'])('a LUKS image stays one, also as a disk by %s that grows', async (mode) => {
  const folder = lab.cluster.paths.images;
  const key = join(folder, 'key');
  writeFileSync(key, 'open sesame');
  const secret = `secret,id=key,file=${key}`;
  const path = join(folder, `${mode}.luks`);
  const luks = ['-f', 'luks', '-o', 'key-secret=key,iter-time=10'];
  qemu('qemu-img', 'create', '--object', secret, ...luks, path, '8M');
  const opened = (file: string): string[] => [
    '--object',
    secret,
    '--image-opts',
    `driver=luks,key-secret=key,file.filename=${file}`,
  ];
  qemu('qemu-io', ...opened(path), '-c', 'write -P 0x5a 1M 2M');
  const size = statSync(path).size;
  const content = new Bun.CryptoHasher('sha256').update(readFileSync(path)).digest('hex');

  const template = { RESOURCE_GROUP: 'drbd', CLONE_MODE: mode, SAFE_DIRS: folder };
  const images = ok(await lab.one.createDatastore({ name: `i-${mode}`, type: 'IMAGE', template })).datastore;
  const system = ok(await lab.one.createDatastore({ name: `s-${mode}`, type: 'SYSTEM', template })).datastore;
  const { image } = ok(await lab.one.createImage({ name: `luks-${mode}`, datastore: images, path }));
  const [host = ''] = lab.cluster.description.nodes;
  const { vm } = ok(
    await lab.one.instantiate({ name: mode, disks: [{ image, sizeMb: 64 }] }, { host, datastore: system }),
  );
  const disk = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
  expect(lab.digest(host, disk, size)).toBe(content);
  expect(Number(lab.on(host, `stat -Lc %s '${disk}'`))).toBeGreaterThanOrEqual(64 * MiB);
  // What is behind it opens with the same passphrase, and holds what was written.
  const device = lab.on(host, `readlink -f '${disk}'`).trim();
  expect(qemu('qemu-io', ...opened(device), '-c', 'read -P 0x5a 1M 2M')).toContain('read 2097152');
  ok(await lab.one.snapshotCreate(vm, 0, 'before'));
  qemu('qemu-io', ...opened(device), '-c', 'write -P 0x33 1M 1M');
  ok(await lab.one.terminate(vm));
  ok(await lab.one.deleteImage(image));
  expect(await lab.definitions()).toEqual([]);
});
