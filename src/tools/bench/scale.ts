import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeClientLauncher } from '../../lab/cluster-remotes.ts';
import type { OneGeneration } from '../../lab/one/oned.ts';
import { buildDriver } from './build.ts';
import {
  attributesOf,
  type Candidate,
  callingOf,
  otherCandidates,
  ourCandidates,
  reference,
} from './drivers.ts';
import { benchDatastore, clusterDocuments } from './fake/cluster.ts';
import { FakeController } from './fake/controller.ts';
import { MonitorSink } from './fake/monitord.ts';
import { layOut, onedEnvironment } from './installed.ts';
import { peakMemory, type Run, requireSuccess, runMeasured } from './process.ts';
import { against, median, type Row } from './row.ts';
import { caseRow, withReference } from './side-by-side.ts';

export const sizes = [100, 1_000, 10_000] as const;
const snapshotsEach = 2;
const nodes = 5;
const othersRuns = 2;

/**
 * `tm/monitor` of one system datastore in a round in which OpenNebula wants the usage of every disk: the compiled program, over
 * both transports, and other drivers, against a controller that answers at once, so that what is seen is the driver's own cost. What
 * monitord gets is counted: a monitor that loses disks is not fast.
 */
export async function benchScale({ scratch, runs = 5, drivers = [] }: ScaleOptions): Promise<Row[]> {
  const binary = join(scratch, 'linstor_un');
  await buildDriver(binary);
  // The client that TRANSPORT=cli starts, by its face in the lab.
  makeClientLauncher(join(scratch, 'client/bin'), { binary });
  const candidates = [...ourCandidates, ...otherCandidates(drivers)];
  const rows: Row[] = [];
  for (const disks of sizes) {
    const directory = join(scratch, String(disks));
    mkdirSync(directory);
    rows.push(
      ...(await monitors(directory, {
        binary,
        client: join(scratch, 'client/bin'),
        disks,
        candidates,
        runs,
      })),
    );
  }
  const [first] = rows;
  return withReference(rows).map((row) =>
    row.unit === 'ms' && first && row !== first && caseRow(row)?.label === reference
      ? against(row, first)
      : row,
  );
}

interface ScaleOptions {
  readonly scratch: string;
  readonly runs?: number;
  readonly drivers?: readonly string[];
}

interface Setting {
  readonly binary: string;
  /** Directory of the `linstor` command. */
  readonly client: string;
  readonly disks: number;
  readonly candidates: readonly Candidate[];
  readonly runs: number;
}

interface Measurement {
  readonly candidate: Candidate;
  readonly run: Run;
  readonly times: number[];
  calls: number;
  exitCode: number;
}

/** In turns; others, which may take minutes, a few times only. */
async function monitors(
  directory: string,
  { binary, client, disks, candidates, runs }: Setting,
): Promise<Row[]> {
  const controller = new FakeController(clusterDocuments({ disks, snapshotsEach, nodes }));
  const sink = await MonitorSink.open();
  try {
    const layout = layOut(join(directory, 'one'), binary, `LS_CONTROLLERS=${controller.address}\n`);
    mkdirSync(join(layout.oneLocation, 'etc'), { recursive: true });
    writeFileSync(join(layout.oneLocation, 'etc/monitord.conf'), sink.configuration);
    const env: Record<string, string> = {
      ...onedEnvironment(layout),
      LS_CONTROLLERS: controller.address,
    };
    const inTransport = { ...env, PATH: `${client}:${env['PATH']}` };
    const measurements = candidates.map((candidate): Measurement => {
      const calling = callingOf(candidate, { env, scratch: join(directory, 'drivers') });
      const attributes = attributesOf(candidate, {
        RESOURCE_GROUP: 'one',
        LS_CONTROLLERS: controller.address,
      });
      const script = `${calling?.remotes ?? layout.remotes}/tm/${candidate.name}/monitor`;
      const { argv, stdin } = monitorCall(candidate.name, attributes, calling?.generation);
      const run = { argv: [script, ...argv], stdin, env: calling?.env ?? inTransport };
      return { candidate, run, times: [], calls: 0, exitCode: 0 };
    });
    for (let round = 0; round <= runs; round += 1) {
      for (const each of measurements) {
        if (!each.candidate.ours && round > othersRuns) continue;
        sink.take();
        controller.takeCalls();
        const measured = await runMeasured(each.run);
        each.calls = controller.takeCalls().length;
        await sink.settle();
        if (each.candidate.ours) {
          requireSuccess('tm/monitor', measured);
          requireComplete(sink.take(), disks);
        }
        each.exitCode = measured.exitCode;
        if (round === 0 && measured.exitCode !== 0)
          console.error(`${each.candidate.label}: ${measured.stderr.trim()}`);
        if (round > 0) each.times.push(measured.ms);
      }
    }
    const rows: Row[] = [];
    for (const each of measurements) rows.push(...(await rowsOf(each, disks, directory)));
    return rows;
  } finally {
    sink.close();
    await controller.stop();
  }
}

async function rowsOf(
  { candidate, run, times, calls, exitCode }: Measurement,
  disks: number,
  scratch: string,
): Promise<Row[]> {
  const memory = await peakMemory(run, scratch);
  const name = `scale: monitor of ${disks} disks (${candidate.label})`;
  return [
    { name, value: median(times), unit: 'ms' },
    ...(memory === undefined ? [] : [{ name: `${name}, memory`, value: memory, unit: 'MiB' as const }]),
    { name: `${name}, LINSTOR calls`, value: calls, unit: 'calls' },
    ...(exitCode === 0 ? [] : [{ name: `${name}, result`, value: exitCode, unit: 'exit code' as const }]),
  ];
}

function requireComplete(found: { disks: number; snapshots: number }, disks: number): void {
  if (found.disks === disks && found.snapshots === disks * snapshotsEach) return;
  throw new Error(
    `monitord was told of ${found.disks} disks and ${found.snapshots} snapshots, not of ${disks} and ${disks * snapshotsEach}`,
  );
}

/** As oned of that release sends it: the document on stdin or as an argument, before or beside the id. */
export function monitorCall(
  driver: string,
  attributes: Readonly<Record<string, string>>,
  generation: OneGeneration = '7.2',
): { argv: string[]; stdin: string } {
  const id = String(benchDatastore);
  const values = { TYPE: 'SYSTEM_DS', TM_MAD: driver, ...attributes };
  const template = Object.entries(values).map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`);
  const document = Buffer.from(
    `<DS_DRIVER_ACTION_DATA><DATASTORE><ID>${id}</ID><NAME>bench</NAME><DS_MAD>-</DS_MAD><TM_MAD>${driver}</TM_MAD>` +
      `<BASE_PATH>/var/lib/one/datastores/${id}</BASE_PATH><TYPE>1</TYPE><TOTAL_MB>0</TOTAL_MB><FREE_MB>0</FREE_MB><USED_MB>0</USED_MB>` +
      `<TEMPLATE>${template.join('')}</TEMPLATE></DATASTORE><DATASTORE_LOCATION>/var/lib/one/datastores</DATASTORE_LOCATION>` +
      '<MONITOR_VM_DISKS>1</MONITOR_VM_DISKS></DS_DRIVER_ACTION_DATA>',
  ).toString('base64');
  if (generation === '5.8' || generation === '6.0') return { argv: [document, id], stdin: '' };
  return { argv: generation === '6.6' ? ['-', id] : [id], stdin: document };
}
