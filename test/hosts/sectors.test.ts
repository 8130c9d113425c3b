import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { linkDisks } from '../../src/hosts/scripts/link-disks.ts';
import { countsIn512 } from '../../src/hosts/scripts/sectors.ts';
import { bytes } from '../../src/units.ts';
import { device } from '../support/device.ts';
import { type FakeHosts, fakeHosts, isRoot } from './fake-hosts.ts';

/** An image for sectors of 512 bytes on a device with larger ones. */

setDefaultTimeout(60_000);

let fake: FakeHosts;
beforeEach(() => {
  fake = fakeHosts();
});
afterEach(() => fake.remove());

const mbr = [0x80, 0x20, 0x21, 0, 0x83, 0xdd, 0x1e, 0x3f, 0, 8, 0, 0, 0, 0, 0x10, 0];

test.each([
  ['GPT for 512', { 510: [0x55, 0xaa], 512: [...Buffer.from('EFI PART')] }, true],
  ['GPT for 4096', { 510: [0x55, 0xaa], 446: mbr, 4096: [...Buffer.from('EFI PART')] }, false],
  ['MBR', { 446: mbr, 510: [0x55, 0xaa] }, true],
  ['a boot sector of a file system', { 510: [0x55, 0xaa] }, false],
  ['nothing', {}, false],
] as const)('%s', async (_, parts: Readonly<Record<number, readonly number[]>>, expected) => {
  const content = Buffer.alloc(16384);
  for (const [offset, data] of Object.entries(parts)) content.set(data, Number(offset));
  const path = join(fake.root, 'image');
  writeFileSync(path, content);
  expect(await countsIn512(fake.hosts, 'host1', device(path))).toBe(expected);
});

test.if(isRoot)('the sectors of a device are told with its size', async () => {
  const path = join(fake.root, 'disk');
  writeFileSync(path, Buffer.alloc(1024 * 1024));
  for (const size of [512, 4096]) {
    const made = Bun.spawnSync(['losetup', '-f', '--show', '--sector-size', String(size), path]);
    const loop = made.stdout.toString().trim();
    try {
      const wanted = { ...device(loop), candidates: [loop], minBytes: bytes(1) };
      expect((await linkDisks(fake.hosts, 'host1', [wanted], 0))[0]?.sector).toBe(bytes(size));
    } finally {
      Bun.spawnSync(['losetup', '-d', loop]);
    }
  }
});
