import { join } from 'node:path';
import { buildDriver } from './build.ts';
import { type Candidate, otherCandidates, ourCandidates } from './drivers.ts';
import { type BenchLab, type Latency, openBenchLab, usualLatency } from './lab.ts';
import { watchDescendants } from './memory.ts';
import { median, type Row } from './row.ts';
import { type ActionCost, Scenario } from './scenario.ts';
import { withReference } from './side-by-side.ts';
import { type Waits, weightOf } from './weights.ts';

export interface ActionOptions {
  readonly scratch: string;
  readonly runs?: number;
  /** As `--driver` names them. */
  readonly drivers?: readonly string[];
  readonly latency?: Latency;
  /** How many clones begin at once. */
  readonly clones?: readonly number[];
}

/**
 * Each action on the lab, with a fixed wait for every LINSTOR call and ssh session: ours over both transports and every other driver, in
 * turns on one controller; then clones that all begin at once. Calls are counted by the lab, not by the driver.
 */
export async function benchActions(options: ActionOptions): Promise<Row[]> {
  const { scratch, runs = 3, latency = usualLatency, clones = [1, 10, 100] } = options;
  const candidates = [...ourCandidates, ...otherCandidates(options.drivers ?? [])];
  const binary = join(scratch, 'linstor_un');
  await buildDriver(binary);
  const inLab = async <T>(name: string, work: (lab: BenchLab) => Promise<T>): Promise<T> => {
    const lab = await openBenchLab(join(scratch, name), { target: { binary }, latency });
    try {
      return await work(lab);
    } finally {
      await lab.stop();
    }
  };
  const rows = await inTurns(candidates, runs, inLab);
  for (const candidate of candidates) {
    rows.push(...(await inLab(`crowd-${candidate.label}`, (lab) => crowds(lab, candidate, clones))));
  }
  return withReference(rows);
}

type InLab = <T>(name: string, work: (lab: BenchLab) => Promise<T>) => Promise<T>;

/** A new lab for each round, and in it all candidates, each round beginning with another one: none always has the fullest lab. */
async function inTurns(candidates: readonly Candidate[], runs: number, inLab: InLab): Promise<Row[]> {
  const costs = new Map(candidates.map(({ label }) => [label, [] as ActionCost[]]));
  const left = new Map<string, number>();
  for (let round = 0; round < runs; round += 1) {
    await inLab(`round-${round}`, async (lab) => {
      for (let turn = 0; turn < candidates.length; turn += 1) {
        const candidate = candidates[(round + turn) % candidates.length];
        if (candidate === undefined) continue;
        const before = lab.definitions();
        const scenario = new Scenario(lab, candidate);
        await scenario.run();
        costs.get(candidate.label)?.push(...scenario.costs);
        left.set(candidate.label, lab.definitions() - before);
      }
    });
  }
  return [...costs].flatMap(([label, list]) => [
    ...costRows(label, list),
    { name: `actions: resources left (${label})`, value: left.get(label) ?? 0, unit: 'resources' as const },
  ]);
}

async function crowds(lab: BenchLab, candidate: Candidate, clones: readonly number[]): Promise<Row[]> {
  const scenario = new Scenario(lab, candidate, { metered: false });
  const image = await scenario.image('base', await scenario.datastore('images', 'IMAGE'));
  if (image < 0) return [];
  const system = await scenario.datastore('system', 'SYSTEM', { CLONE_MODE: 'snapshot' });
  const rows: Row[] = [];
  for (const count of clones) {
    const memory = watchDescendants();
    const { ms, failed } = await scenario.together(count, image, system);
    const name = `actions: ${count} clones at once (${candidate.label})`;
    rows.push(
      { name, value: ms, unit: 'ms' },
      { name: `${name}, memory`, value: await memory.stop(), unit: 'MiB' },
      ...(failed === 0 ? [] : [{ name: `${name}, failed`, value: failed, unit: 'calls' as const }]),
    );
  }
  return rows;
}

/** Median of the time, most of the calls: what an action may cost is its worst case. */
export function costRows(label: string, costs: readonly ActionCost[]): Row[] {
  const groups = Map.groupBy(costs, ({ action, mode }) => (mode === '' ? action : `${action}, ${mode}`));
  return [...groups].flatMap(([title, list]) => {
    const name = `actions: ${title} (${label})`;
    const most = (key: keyof Waits | 'exitCode'): number => Math.max(...list.map((cost) => cost[key]));
    const usages = list.flatMap(({ usage }) => usage ?? []);
    return [
      { name, value: median(list.map(({ ms }) => ms)), unit: 'ms' as const },
      { name: `${name}, LINSTOR calls`, value: most('linstor'), unit: 'calls' as const },
      { name: `${name}, satellite passes`, value: most('passes'), unit: 'calls' as const },
      { name: `${name}, questions to satellites`, value: most('asks'), unit: 'calls' as const },
      { name: `${name}, ssh sessions`, value: most('ssh'), unit: 'calls' as const },
      { name: `${name}, weighted`, value: Math.max(...list.map(weightOf)), unit: 's' as const },
      ...(usages.length === 0
        ? []
        : [
            { name: `${name}, CPU`, value: median(usages.map(({ cpuMs }) => cpuMs)), unit: 'ms' as const },
            {
              name: `${name}, memory`,
              value: Math.max(...usages.map(({ memoryMib }) => memoryMib)),
              unit: 'MiB' as const,
            },
          ]),
      ...(most('exitCode') === 0
        ? []
        : [{ name: `${name}, result`, value: most('exitCode'), unit: 'exit code' as const }]),
    ];
  });
}
