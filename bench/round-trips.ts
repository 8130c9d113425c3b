/**
 * `bun bench/round-trips.ts`: counts the calls of each action on the lab, and writes the table that the docs show and that a
 * test holds the actions to.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DriverTarget, ownTarget } from '../src/lab/cluster-remotes.ts';
import type { RoundTrips } from '../src/tools/docs/round-trips.ts';
import { noLatency, openBenchLab } from './lab.ts';
import { Scenario } from './scenario.ts';

export const roundTripsFile = new URL('../test/bench/round-trips.json', import.meta.url).pathname;

/** One row for each action and case: the most calls that any of its runs made. */
export async function countRoundTrips(target: DriverTarget = ownTarget()): Promise<RoundTrips[]> {
  const directory = mkdtempSync(join(tmpdir(), 'linstor_un-trips-'));
  const lab = await openBenchLab(join(directory, 'lab'), { target, latency: noLatency });
  try {
    const scenario = new Scenario(lab, 'rest');
    await scenario.run();
    const groups = Map.groupBy(scenario.costs, ({ action, mode }) => `${action}\0${mode}`);
    const rows = [...groups.values()].flatMap((list) => {
      const [first] = list;
      const most = (key: 'linstor' | 'ssh'): number => Math.max(...list.map((cost) => cost[key]));
      return first
        ? [{ action: first.action, mode: first.mode, linstor: most('linstor'), ssh: most('ssh') }]
        : [];
    });
    return rows.sort((a, b) => (`${a.action} ${a.mode}` < `${b.action} ${b.mode}` ? -1 : 1));
  } finally {
    await lab.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const rows = await countRoundTrips();
  writeFileSync(roundTripsFile, `${JSON.stringify(rows, null, 2)}\n`);
  console.log(`${rows.length} rows written`);
}
