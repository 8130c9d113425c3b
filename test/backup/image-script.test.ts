import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, imageCodes, receiveImage } from '../../src/backup/image-script.ts';
import { localArgv } from '../../src/hosts/ssh.ts';

const KiB = 1024;
const cluster = 64 * KiB;

let dir: string;
const old = randomBytes(40 * cluster);
const now = Buffer.from(old);

/** What is different: a few bytes, whole clusters that became zero, a part of one that did, new data where zeroes were, the last cluster. */
function change(): void {
  old.fill(0, 10 * cluster, 14 * cluster);
  now.fill(0, 10 * cluster, 14 * cluster);
  now.write('changed', 2 * cluster + 100);
  now.fill(0, 5 * cluster, 7 * cluster);
  now.fill(0, 8 * cluster, 8 * cluster + 4096);
  now.write('data now', 12 * cluster);
  now.write('end', 40 * cluster - 3);
}
const changed = [2, 5, 6, 8, 12, 39];

beforeAll(() => {
  change();
  dir = mkdtempSync(join(tmpdir(), 'linstor_un-image-'));
  writeFileSync(join(dir, 'old'), old);
  writeFileSync(join(dir, 'new'), now);
});
beforeEach(() => rmSync(join(dir, 'out'), { force: true }));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

async function run(script: string, args: readonly string[], bin?: string, stdin?: Uint8Array): Promise<Ran> {
  const child = Bun.spawn([...localArgv({ script, args })], {
    stdin: stdin ?? 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...process.env, ...(bin ? { PATH: `${bin}:${process.env['PATH']}` } : {}) },
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

const build = (how: string, parent = '', out = join(dir, 'out'), ...more: string[]): Promise<Ran> =>
  run(buildImage, [how, join(dir, 'new'), parent, out, ...more], join(dir, 'bin'));

/** Clusters that are in the file, zeroes too. */
function present(file = join(dir, 'out')): number[] {
  const map = JSON.parse(
    Bun.spawnSync(['qemu-img', 'map', '--output=json', '-f', 'qcow2', file]).stdout.toString(),
  ) as { start: number; length: number; present: boolean }[];
  return map
    .filter((each) => each.present)
    .flatMap(({ start, length }) =>
      Array.from({ length: length / cluster }, (_, index) => start / cluster + index),
    );
}

/** The file laid over what was there before, as OpenNebula does it. */
function laidOver(base: Uint8Array, file = join(dir, 'out')): Buffer {
  writeFileSync(join(dir, 'base.raw'), base);
  const steps = [
    ['convert', '-f', 'raw', '-O', 'qcow2', join(dir, 'base.raw'), join(dir, 'base')],
    ['rebase', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', join(dir, 'base'), file],
    ['convert', '-f', 'qcow2', '-O', 'raw', file, join(dir, 'result')],
  ];
  for (const step of steps) {
    const { success, stderr } = Bun.spawnSync(['qemu-img', ...step]);
    if (!success) throw new Error(stderr.toString());
  }
  return readFileSync(join(dir, 'result'));
}

test('full: a file of its own', async () => {
  expect((await build('full')).code).toBe(0);
  expect(laidOver(Buffer.alloc(now.length)).equals(now)).toBe(true);
});

test('compare: exactly the clusters that differ, zeroes among them', async () => {
  expect((await build('compare', join(dir, 'old'))).code).toBe(0);
  expect(present()).toEqual(changed);
  expect(laidOver(old).equals(now)).toBe(true);
});

test('whole: hides whatever is below', async () => {
  expect((await build('whole')).code).toBe(0);
  expect(present().length).toBe(40);
  expect(laidOver(randomBytes(now.length)).equals(now)).toBe(true);
});

test('sent to another host: nothing stays where it was made, and what comes short is refused', async () => {
  const sent = await build('compare', join(dir, 'old'), '');
  expect(sent.code).toBe(0);
  const received = join(dir, 'received');
  expect((await run(receiveImage, [received], undefined, sent.stdout)).code).toBe(0);
  expect(laidOver(old, received).equals(now)).toBe(true);
  expect((await run(receiveImage, [received], undefined, sent.stdout.subarray(0, -1))).code).toBe(
    imageCodes.short,
  );
});

test('no device is told as such', async () => {
  const { code } = await run(buildImage, ['full', join(dir, 'none'), '', join(dir, 'out')]);
  expect(code).toBe(imageCodes.noDevice);
});

describe('thin', () => {
  const fake = (name: string, text: string): void => {
    mkdirSync(join(dir, 'bin'), { recursive: true });
    writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${text}`);
    chmodSync(join(dir, 'bin', name), 0o755);
  };
  const journal = (): string => readFileSync(join(dir, 'journal'), 'utf8').trim();
  const delta = (end = '</superblock>'): string =>
    [
      '<superblock uuid="" time="1" transaction="2" data_block_size="128" nr_data_blocks="0">',
      '<diff left="4" right="7">',
      '<same begin="0" length="2"/><different begin="2" length="1"/>',
      '<left_only begin="5" length="2"/><different begin="8" length="1"/>',
      '<right_only begin="12" length="1"/><different begin="39" length="3"/>',
      `</diff>${end}`,
    ].join('\n');
  const thin = (): Promise<Ran> =>
    build('thin', '', join(dir, 'out'), 'disk_00000_one-backup-1', 'disk_00000_one-backup-2');

  beforeEach(() => {
    rmSync(join(dir, 'journal'), { force: true });
    fake('sudo', 'shift; exec "$@"');
    fake(
      'lvs',
      `echo '  disk_00000_one-backup-1 my-vg thin 4'; echo '  disk_00000_one-backup-2 my-vg thin 7'`,
    );
    fake('dmsetup', `echo "$*" >>'${dir}/journal'`);
    fake('thin_delta', `echo "$*" >>'${dir}/journal'; cat <<'X'\n${delta()}\nX\n`);
  });

  test('what the pool says has changed, discarded blocks as zeroes', async () => {
    const ran = await thin();
    expect([ran.code, ran.stderr]).toEqual([0, expect.any(String)]);
    expect(journal().split('\n')).toEqual([
      'message my--vg-thin-tpool 0 reserve_metadata_snap',
      '-m --thin1 4 --thin2 7 /dev/mapper/my--vg-thin_tmeta',
      'message my--vg-thin-tpool 0 release_metadata_snap',
    ]);
    expect(present()).toEqual(changed);
    expect(laidOver(old).equals(now)).toBe(true);
  });

  test('nothing has changed: an empty file', async () => {
    const same =
      '<superblock uuid="" data_block_size="128"><diff left="4" right="7"><same begin="0" length="40"/></diff></superblock>';
    fake('thin_delta', `cat <<'X'\n${same}\nX\n`);
    expect((await thin()).code).toBe(0);
    expect(present()).toEqual([]);
  });

  test.each([
    ['thin_delta fails', () => fake('thin_delta', 'echo broken >&2; exit 1'), 'broken'],
    ['its output breaks off', () => fake('thin_delta', `cat <<'X'\n${delta('')}\nX\n`), 'broke off'],
    [
      'a snapshot is not there',
      () => fake('lvs', `echo ' disk_00000_one-backup-1 vg thin 4'`),
      'does not show',
    ],
  ])(
    'cannot be asked when %s: nothing is written, and the metadata snapshot is given back',
    async (_, set, said) => {
      set();
      const ran = await thin();
      expect(ran.code).toBe(imageCodes.noDelta);
      expect(ran.stderr).toContain(said);
      expect(existsSync(join(dir, 'out'))).toBe(false);
      if (existsSync(join(dir, 'journal')))
        expect(journal().split('\n').at(-1)).toContain('release_metadata_snap');
    },
  );
});
