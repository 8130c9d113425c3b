import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { bashDriver, floor, ours } from '../../src/tools/bench/copy/methods.ts';
import { makeSources } from '../../src/tools/bench/copy/sources.ts';
import { benchCopy } from '../../src/tools/bench/copy.ts';

const mib = 2 ** 20;

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-copy-'));
  try {
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('the sources are what their names say', () =>
  inDirectory(async (directory) => {
    const sources = await makeSources(directory, 1 / 256);
    expect(sources.map(({ kind, bytes }) => `${kind} ${bytes / mib}`)).toEqual([
      'raw 16',
      'raw 4',
      'image 16',
      'image 16',
      'gzip 16',
    ]);
    const [sparse, full] = sources;
    if (!sparse || !full) throw new Error('no sources');
    expect(statSync(sparse.path).blocks * 512).toBe(2 * mib);
    expect(statSync(full.path).blocks * 512).toBe(4 * mib);
  }));

describe('methods', () => {
  const target = { device: '/t/device', stagingDir: '/t/staging' };
  const here = { name: 'same host', host: hostname(), remote: false };
  const there = { name: 'over ssh', host: 'bridge', remote: true };
  const raw = { name: 'raw', path: '/s', kind: 'raw', raw: '/s', bytes: 1 } as const;

  test('the floor is for one host, and for what qemu-img reads', () => {
    expect(floor.command(raw, there, target)).toBeUndefined();
    expect(floor.command({ ...raw, kind: 'gzip' }, here, target)).toBeUndefined();
    expect(floor.command(raw, here, target)).toContain('--target-is-zero');
  });

  test('the bash driver’s way goes over ssh only where the target is elsewhere', () => {
    expect(bashDriver.command(raw, there, target)).toContain('bridge');
    expect(bashDriver.command(raw, here, target)).not.toContain('ssh');
  });

  test('ours is told the host', () => {
    expect(ours.command(raw, there, target)?.at(-1)).toContain('"host":"bridge"');
  });
});

test(
  'a small run gives rows of all methods, each compared with ours, and every target was right',
  () =>
    inDirectory(async (directory) => {
      const rows = await benchCopy({ scratch: directory, runs: 1, share: 1 / 256 });
      const names = rows.map(({ name }) => name);
      for (const source of ['raw, a tenth used', 'raw, full', 'qcow2', 'qcow2, compressed', 'gz of raw']) {
        expect(names).toContain(`copy: ${source}, same host: linstor_un`);
        expect(names).toContain(`copy: ${source}, same host: linstor_un, allocated`);
      }
      const other = rows.find(({ name }) => name === 'copy: qcow2, same host: qemu-img alone');
      expect(other?.to).toBe('linstor_un');
      const wire = rows.find(({ name }) => name === 'copy: raw, a tenth used, over ssh: linstor_un, wire');
      // Where there is an sshd: a tenth of 16 MiB, and not all of it.
      if (wire) expect(wire.value).toBeWithin(1, 8);
    }),
  120_000,
);
