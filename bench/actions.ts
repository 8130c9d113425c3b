import { join } from 'node:path';
import { buildDriver } from './build.ts';
import { type BenchLab, openBenchLab, usualLatency } from './lab.ts';
import { median, type Row } from './row.ts';
import { type ActionCost, Scenario } from './scenario.ts';

const crowds = [1, 10, 100] as const;

/**
 * Each action on the lab, with a fixed wait for every LINSTOR call and ssh session, over both transports; then clones that all begin
 * at once. Calls are counted by the lab, not by the driver.
 */
export async function benchActions({
  scratch,
  runs = 3,
  driver,
}: {
  scratch: string;
  runs?: number;
  driver?: string;
}): Promise<Row[]> {
  const binary = join(scratch, 'linstor_un');
  await buildDriver(binary);
  // Another driver has no such setting.
  const transports = driver === undefined ? (['rest', 'cli'] as const) : (['rest'] as const);
  const rows: Row[] = [];
  for (const transport of transports) {
    const costs: ActionCost[] = [];
    for (let round = 0; round < (transport === 'rest' ? runs : 1); round += 1) {
      const directory = join(scratch, `${transport}-${round}`);
      await inLab(directory, binary, driver, async (lab) => {
        const scenario = new Scenario(lab, transport);
        await scenario.run();
        costs.push(...scenario.costs);
      });
    }
    rows.push(...costRows(transport, costs));
  }
  await inLab(join(scratch, 'crowd'), binary, driver, async (lab) => {
    const scenario = new Scenario(lab, 'rest');
    const image = await scenario.image('base', await scenario.datastore('images', 'IMAGE'));
    const system = await scenario.datastore('system', 'SYSTEM', { CLONE_MODE: 'snapshot' });
    for (const count of crowds) {
      rows.push({
        name: `actions: ${count} clones at once`,
        value: await scenario.together(count, image, system),
        unit: 'ms',
      });
    }
  });
  return rows;
}

async function inLab(
  directory: string,
  binary: string,
  driver: string | undefined,
  work: (lab: BenchLab) => Promise<void>,
): Promise<void> {
  const lab = await openBenchLab(directory, {
    target: { binary },
    latency: usualLatency,
    ...(driver === undefined ? {} : { otherDriver: driver }),
  });
  try {
    await work(lab);
  } finally {
    await lab.stop();
  }
}

/** Median of the time, most of the calls: what an action may cost is its worst case. */
export function costRows(transport: string, costs: readonly ActionCost[]): Row[] {
  const groups = Map.groupBy(costs, ({ action, mode }) => (mode === '' ? action : `${action}, ${mode}`));
  return [...groups].flatMap(([title, list]) => {
    const name = `actions: ${title} (${transport})`;
    const most = (key: 'linstor' | 'ssh' | 'exitCode'): number => Math.max(...list.map((cost) => cost[key]));
    return [
      { name, value: median(list.map(({ ms }) => ms)), unit: 'ms' as const },
      { name: `${name}, LINSTOR calls`, value: most('linstor'), unit: 'calls' as const },
      { name: `${name}, ssh sessions`, value: most('ssh'), unit: 'calls' as const },
      ...(most('exitCode') === 0
        ? []
        : [{ name: `${name}, result`, value: most('exitCode'), unit: 'exit code' as const }]),
    ];
  });
}
