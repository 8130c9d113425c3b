import { expect, test } from 'bun:test';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { drbd, makeGroup, openLab, spawn } from './fixture.ts';

/** Loop devices need root and a kernel that lends them. */
const possible = process.getuid?.() === 0 && Bun.spawnSync(['losetup', '--find']).exitCode === 0;

const read = (device: string, length: number): string => {
  const file = openSync(device, 'r');
  const buffer = Buffer.alloc(length);
  readSync(file, buffer, 0, length, 0);
  closeSync(file);
  return buffer.toString('latin1');
};

const sizeOf = (device: string): number =>
  Number(Bun.spawnSync(['blockdev', '--getsize64', device]).stdout.toString());

test.skipIf(!possible)(
  'volumes are loop devices; all replicas of a DRBD volume show the same one',
  async () => {
    const lab = openLab({ devices: 'loop' });
    try {
      await makeGroup(lab, 'two', { place_count: 2, ...drbd });
      await spawn(lab, 'two', 'loops', 4096);
      const [a, b] = [await lab.device('loops', 'alpha'), await lab.device('loops', 'bravo')];
      expect(a).toMatch(/^\/dev\/loop\d+$/);
      const file = openSync(a, 'r+');
      writeSync(file, 'through the loop');
      closeSync(file);
      expect(read(b, 16)).toBe('through the loop');
      await lab.send('PUT', '/v1/resource-definitions/loops/volume-definitions/0', { size_kib: 8192 });
      expect(sizeOf(a)).toBe(8192 * 1024);
      await lab.send('DELETE', '/v1/resource-definitions/loops');
      const left = Bun.spawnSync([
        'losetup',
        '--list',
        '--noheadings',
        '--output',
        'BACK-FILE',
      ]).stdout.toString();
      expect(left).not.toContain(lab.dir);
    } finally {
      await lab.send('DELETE', '/v1/resource-definitions/loops');
    }
  },
);
