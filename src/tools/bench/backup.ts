import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { buildImage } from '../../backup/image-script.ts';
import { runPipeline } from '../../hosts/pipeline.ts';
import { localArgv } from '../../hosts/ssh.ts';
import { against, median, type Row } from './row.ts';

const pieceBytes = 64 * 1024;
const gib = 1024 ** 3;

/**
 * One increment of a disk of 4 GiB in which 5 % has changed in pieces of 64 KiB, made by the script that runs on hosts: by comparing two snapshots,
 * and from the ranges that a thin pool would name; against a full copy of the disk by qemu-img. Files stand for devices, and a list for the pool's
 * metadata: what thin_delta itself takes is not in it. What was made is laid over the old content and compared each time.
 */
export async function benchBackup({
  scratch,
  runs = 3,
  share = 1,
}: {
  scratch: string;
  runs?: number;
  share?: number;
}): Promise<Row[]> {
  const size = Math.floor((4 * gib * share) / pieceBytes) * pieceBytes;
  const [before, after] = [join(scratch, 'before'), join(scratch, 'after')];
  const changed = makeDisks(before, after, size);
  const tools = fakePool(scratch, changed);
  const out = join(scratch, 'out');
  const full = {
    name: 'backup: full copy by qemu-img convert',
    argv: ['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', '-t', 'writeback', after, out],
  };
  const script = (name: string, ...args: string[]) => ({
    name,
    argv: localArgv({ script: buildImage, args }),
  });
  const methods = [
    full,
    script('backup: full', 'full', after, '', out),
    script('backup: increment by comparing', 'compare', after, before, out),
    script('backup: increment by ranges', 'thin', after, '', out, 'old', 'new'),
  ];
  const rows: Row[] = [
    { name: 'backup: changed', value: (changed.length * pieceBytes) / 1024 ** 2, unit: 'MiB' },
  ];
  const times = new Map<string, number[]>();
  for (let round = 0; round < runs; round += 1) {
    for (const { name, argv } of methods) {
      rmSync(out, { force: true });
      const started = performance.now();
      await runPipeline([{ name, argv }], {
        timeoutMs: 3600_000,
        holdStdin: true,
        env: { PATH: `${tools}:${process.env['PATH']}` },
      });
      times.set(name, [...(times.get(name) ?? []), (performance.now() - started) / 1000]);
      if (round > 0) continue;
      rows.push({ name: `${name}, file`, value: (statSync(out).blocks * 512) / 1024 ** 2, unit: 'MiB' });
      if (name.includes('increment')) await requireEqual(scratch, out, before, after);
    }
  }
  const [reference] = rows;
  const seconds = methods.map(({ name }): Row => ({ name, value: median(times.get(name) ?? []), unit: 's' }));
  const [convert] = seconds;
  return [
    ...rows.map((row) => (reference && row.name.includes('increment') ? against(row, reference) : row)),
    ...seconds.map((row) => (convert && row !== convert ? against(row, convert) : row)),
  ];
}

/** Random data, of which every twentieth piece differs. Returns the pieces that do. */
function makeDisks(before: string, after: string, size: number): number[] {
  const [one, other] = [openSync(before, 'w'), openSync(after, 'w')];
  ftruncateSync(one, size);
  ftruncateSync(other, size);
  const changed: number[] = [];
  for (let piece = 0; piece * pieceBytes < size; piece += 1) {
    const data = crypto.getRandomValues(new Uint8Array(pieceBytes));
    writeSync(one, data, 0, pieceBytes, piece * pieceBytes);
    if (piece % 20 === 7) {
      changed.push(piece);
      data.reverse();
    }
    writeSync(other, data, 0, pieceBytes, piece * pieceBytes);
  }
  closeSync(one);
  closeSync(other);
  return changed;
}

/** Programs that say of two snapshots what a thin pool with blocks of 64 KiB would. */
function fakePool(scratch: string, changed: readonly number[]): string {
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  const ranges = changed.map((piece) => `<different begin="${piece}" length="1"/>`).join('\n');
  const delta = `<superblock data_block_size="128"><diff>\n${ranges}\n</diff></superblock>\n`;
  writeFileSync(join(scratch, 'delta'), delta);
  const program = (name: string, text: string): void => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program('sudo', 'shift; exec "$@"');
  program('lvs', "echo ' old vg thin 1'; echo ' new vg thin 2'");
  program('dmsetup', ':');
  program('thin_delta', `cat '${join(scratch, 'delta')}'`);
  return bin;
}

async function requireEqual(
  scratch: string,
  increment: string,
  before: string,
  after: string,
): Promise<void> {
  const base = join(scratch, 'base');
  const file = join(scratch, 'laid-over');
  writeFileSync(file, readFileSync(increment));
  const steps = [
    ['create', '-q', '-f', 'qcow2', '-b', before, '-F', 'raw', base],
    ['rebase', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', base, file],
    ['compare', '-q', '-f', 'qcow2', '-F', 'raw', file, after],
  ];
  for (const step of steps)
    await runPipeline([{ name: `qemu-img ${step[0]}`, argv: ['qemu-img', ...step] }], {
      timeoutMs: 3600_000,
    });
  rmSync(file);
  rmSync(base);
}
