import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDriver } from './build.ts';
import { benchDatastore, clusterDocuments } from './fake/cluster.ts';
import { FakeController } from './fake/controller.ts';
import { MonitorSink } from './fake/monitord.ts';
import { layOut, onedEnvironment } from './installed.ts';
import { peakMemory, type Run, requireSuccess, runMeasured } from './process.ts';
import { against, median, type Row } from './row.ts';

export const sizes = [100, 1_000, 10_000] as const;
const snapshotsEach = 2;
const nodes = 5;

/**
 * `tm/monitor` of one system datastore in a round in which OpenNebula wants the usage of every disk: the compiled
 * program against a controller that answers at once, so that what is seen is the driver's own cost. What monitord gets
 * is counted: a monitor that loses disks is not fast.
 */
export async function benchScale({ scratch, runs = 5 }: { scratch: string; runs?: number }): Promise<Row[]> {
  const binary = join(scratch, 'linstor_un');
  await buildDriver(binary);
  const rows: Row[] = [];
  for (const disks of sizes) {
    const directory = join(scratch, String(disks));
    mkdirSync(directory);
    rows.push(...(await monitorOf(directory, binary, disks, runs)));
  }
  const first = rows.find((row) => row.unit === 'ms');
  return rows.map((row) => (row.unit === 'ms' && first && row !== first ? against(row, first) : row));
}

async function monitorOf(directory: string, binary: string, disks: number, runs: number): Promise<Row[]> {
  const controller = new FakeController(clusterDocuments({ disks, snapshotsEach, nodes }));
  const sink = await MonitorSink.open();
  try {
    const layout = layOut(join(directory, 'one'), binary, `LS_CONTROLLERS=${controller.address}\n`);
    mkdirSync(join(layout.oneLocation, 'etc'), { recursive: true });
    writeFileSync(join(layout.oneLocation, 'etc/monitord.conf'), sink.configuration);
    const run: Run = {
      argv: [`${layout.remotes}/tm/linstor_un/monitor`, String(benchDatastore)],
      stdin: monitorMessage(),
      env: onedEnvironment(layout),
    };
    const times: number[] = [];
    let calls = 0;
    for (let round = 0; round <= runs; round += 1) {
      sink.take();
      controller.takeCalls();
      const measured = await runMeasured(run);
      requireSuccess('tm/monitor', measured);
      calls = controller.takeCalls().length;
      await sink.settle();
      requireComplete(sink.take(), disks);
      if (round > 0) times.push(measured.ms);
    }
    const memory = await peakMemory(run, directory);
    const name = `scale: monitor of ${disks} disks`;
    return [
      { name, value: median(times), unit: 'ms' },
      ...(memory === undefined ? [] : [{ name: `${name}, memory`, value: memory, unit: 'MiB' as const }]),
      { name: `${name}, LINSTOR calls`, value: calls, unit: 'calls' },
    ];
  } finally {
    sink.close();
    await controller.stop();
  }
}

function requireComplete(found: { disks: number; snapshots: number }, disks: number): void {
  if (found.disks === disks && found.snapshots === disks * snapshotsEach) return;
  throw new Error(
    `monitord was told of ${found.disks} disks and ${found.snapshots} snapshots, not of ${disks} and ${disks * snapshotsEach}`,
  );
}

/** As oned sends it since 6.8: the document on stdin, the id as argument. */
export function monitorMessage(): string {
  const template = '<TYPE>SYSTEM_DS</TYPE><TM_MAD>linstor_un</TM_MAD><RESOURCE_GROUP>one</RESOURCE_GROUP>';
  return Buffer.from(
    `<DS_DRIVER_ACTION_DATA><DATASTORE><ID>${benchDatastore}</ID><NAME>bench</NAME><TM_MAD>linstor_un</TM_MAD><TYPE>1</TYPE>` +
      `<TEMPLATE>${template}</TEMPLATE></DATASTORE><DATASTORE_LOCATION>/var/lib/one/datastores</DATASTORE_LOCATION>` +
      '<MONITOR_VM_DISKS>1</MONITOR_VM_DISKS></DS_DRIVER_ACTION_DATA>',
  ).toString('base64');
}
