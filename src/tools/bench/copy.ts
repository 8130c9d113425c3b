import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Loopback, openLoopback } from './copy/loopback.ts';
import { bashDriver, floor, type Method, ours, type Place, type Target } from './copy/methods.ts';
import { watchPeaks } from './copy/sampler.ts';
import { makeSources, type Source } from './copy/sources.ts';
import { requireSuccess, runMeasured } from './process.ts';
import { against, median, type Row } from './row.ts';

/**
 * An image onto a new, empty device, by three methods in turn: this driver's, the bash driver's, and one qemu-img that is told
 * everything. Files stand for devices. Each method is timed with its data flushed, and run once more under observation,
 * after which the target is compared with what it must hold.
 */
export async function benchCopy({
  scratch,
  runs = 2,
  share = 1,
}: {
  scratch: string;
  runs?: number;
  share?: number;
}): Promise<Row[]> {
  const sources = await makeSources(scratch, share);
  const loopback = await openLoopback(join(scratch, 'ssh'));
  if (!loopback) console.error('there is no sshd here: only copies on one host are measured');
  const places: Place[] = [
    { name: 'same host', host: hostname(), remote: false },
    ...(loopback ? [{ name: 'over ssh', host: 'bridge', remote: true }] : []),
  ];
  const rows: Row[] = [];
  try {
    for (const source of sources) {
      for (const place of places)
        rows.push(...(await compareMethods(scratch, source, place, loopback, runs)));
    }
  } finally {
    await loopback?.stop();
  }
  return rows;
}

async function compareMethods(
  scratch: string,
  source: Source,
  place: Place,
  loopback: Loopback | undefined,
  runs: number,
): Promise<Row[]> {
  const target: Target = { device: join(scratch, 'target_00000'), stagingDir: join(scratch, 'staging') };
  const cases = [ours, bashDriver, floor].flatMap((method) => {
    const argv = method.command(source, place, target);
    return argv ? [{ method, argv, times: [] as number[] }] : [];
  });
  for (let round = 0; round < runs; round += 1) {
    for (const { argv, times, method } of cases)
      times.push(await timed(method, argv, source, target, loopback));
  }
  const rows: Row[] = [];
  for (const { method, argv, times } of cases) {
    const name = `copy: ${source.name}, ${place.name}: ${method.name}`;
    rows.push(
      { name, value: median(times) / 1000, unit: 's' },
      ...(await observed(name, argv, source, target, place, loopback)),
    );
  }
  return withOurs(rows);
}

/** Milliseconds until the data are on the disk. */
async function timed(
  method: Method,
  argv: readonly string[],
  source: Source,
  target: Target,
  loopback: Loopback | undefined,
): Promise<number> {
  prepare(source, target);
  const env = environment(loopback?.bin);
  const start = performance.now();
  requireSuccess(method.name, await runMeasured({ argv, env }));
  const flush = ['dd', 'if=/dev/null', `of=${target.device}`, 'conv=nocreat,notrunc,fsync', 'status=none'];
  requireSuccess('flush', await runMeasured({ argv: flush, env }));
  return performance.now() - start;
}

async function observed(
  name: string,
  argv: readonly string[],
  source: Source,
  target: Target,
  place: Place,
  loopback: Loopback | undefined,
): Promise<Row[]> {
  prepare(source, target);
  loopback?.takeWireBytes();
  const env = environment(loopback?.countingBin);
  const child = Bun.spawn([...argv], { env, stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' });
  const peaks = await watchPeaks(child, target.stagingDir);
  const wire = loopback?.takeWireBytes() ?? 0;
  const compare = ['qemu-img', 'compare', '-f', 'raw', '-F', 'raw', source.raw, target.device];
  requireSuccess(`${name}: comparison`, await runMeasured({ argv: compare, env }));
  const mib = (bytes: number): number => bytes / 2 ** 20;
  return [
    ...(place.remote ? [{ name: `${name}, wire`, value: mib(wire), unit: 'MiB' as const }] : []),
    { name: `${name}, allocated`, value: mib(statSync(target.device).blocks * 512), unit: 'MiB' },
    { name: `${name}, memory`, value: peaks.memory, unit: 'MiB' },
    { name: `${name}, staging`, value: peaks.staging, unit: 'MiB' },
  ];
}

/** A new, empty "device", and an empty staging directory. */
function prepare(source: Source, { device, stagingDir }: Target): void {
  rmSync(device, { force: true });
  rmSync(stagingDir, { recursive: true, force: true });
  mkdirSync(stagingDir);
  const file = openSync(device, 'w');
  ftruncateSync(file, source.bytes);
  closeSync(file);
}

function environment(bin: string | undefined): Record<string, string> {
  const path = process.env['PATH'] ?? '/usr/bin:/bin';
  return { PATH: bin === undefined ? path : `${bin}:${path}`, HOME: process.env['HOME'] ?? '/root' };
}

/** Every figure of another method beside ours. */
function withOurs(rows: readonly Row[]): Row[] {
  return rows.map((row) => {
    const [head = '', method = ''] = row.name.split(/: (?=[^:]*$)/);
    const [, ...kind] = method.split(', ');
    const name = [`${head}: ${ours.name}`, ...kind].join(', ');
    const own = rows.find((each) => each.name === name);
    return own === undefined || own === row ? row : { ...against(row, own), to: ours.name };
  });
}
