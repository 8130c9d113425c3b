/**
 * `bun run faults [--action tm/clone] [--about TEXT] [--call TEXT] [--fault TEXT] [--jobs N] [--json]`: the fault matrix. Each
 * driver action is run on a lab by the compiled binary, once for every external call that it makes and every way in which
 * that call can fail, or the action be stopped meanwhile. A case survives when the action either succeeded and
 * everything is as after an undisturbed run, or failed with one clear line and left nothing; when the same call again then
 * succeeds; and when nobody else's data has changed.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { casesOf } from './faults/cases.ts';
import { type CaseResult, prepare, runCase } from './faults/run-case.ts';
import { scenarios } from './faults/scenarios.ts';
import { FaultWorld } from './faults/world.ts';
import { ownBinary } from './own-binary.ts';

const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: {
    action: { type: 'string' },
    about: { type: 'string', default: '' },
    call: { type: 'string', default: '' },
    fault: { type: 'string', default: '' },
    jobs: { type: 'string', default: '2' },
    /** Default: `dist/linstor_un`, made of these sources. */
    binary: { type: 'string' },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const wanted = scenarios.filter(
  (scenario) =>
    (values.action === undefined ||
      [scenario.action, scenario.action.split('/')[1]].includes(values.action)) &&
    scenario.about.includes(values.about),
);
if (wanted.length === 0) {
  console.error(`no such action; known: ${[...new Set(scenarios.map((each) => each.action))].join(', ')}`);
  process.exit(2);
}

const binary = values.binary === undefined ? ownBinary() : resolve(values.binary);
if (!existsSync(binary)) {
  console.error(`${binary} is not there`);
  process.exit(2);
}

const queue = [...wanted];
const results: CaseResult[] = [];
const broken: string[] = [];

async function work(world: FaultWorld): Promise<void> {
  for (let scenario = queue.shift(); scenario; scenario = queue.shift()) {
    const name = `${scenario.action} (${scenario.about})`;
    try {
      const prepared = await prepare(world, scenario);
      const cases = casesOf(prepared.footprint, { makesImage: scenario.makesImage ?? false }).filter(
        (each) => each.call.includes(values.call) && each.fault.includes(values.fault),
      );
      if (!values.json) console.log(`${name}: ${cases.length} cases`);
      for (const each of cases) {
        if (values.list) console.log(`  ${each.call}: ${each.fault}`);
        else report(await runCase(world, prepared, each));
      }
    } catch (error) {
      broken.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      if (!values.json) console.log(broken.at(-1));
    }
  }
}

function report(result: CaseResult): void {
  results.push(result);
  if (values.json || result.verdict === 'survived') return;
  console.log(
    `${result.verdict.toUpperCase()}  ${result.action} (${result.about})  ${result.call}: ${result.fault}`,
  );
  for (const finding of result.findings) console.log(`    ${finding}`);
}

const worlds = Array.from(
  { length: Math.max(1, Math.min(Number(values.jobs) || 1, wanted.length)) },
  () => new FaultWorld({ binary }),
);
const close = async (): Promise<void> => void (await Promise.all(worlds.map((world) => world.close())));
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void close().finally(() => process.exit(130)));
try {
  await Promise.all(worlds.map(work));
} finally {
  await close();
}

const count = (verdict: CaseResult['verdict']): number =>
  results.filter((result) => result.verdict === verdict).length;
const summary = {
  cases: results.length,
  survived: count('survived'),
  lost: count('lost'),
  leaked: count('leaked'),
};
const missed = results.filter((result) => result.missed).length;
if (values.json) {
  const failures = results.filter((result) => result.verdict !== 'survived');
  console.log(JSON.stringify({ ...summary, missed, broken, failures }));
} else {
  console.log(
    `${summary.cases} cases: ${summary.survived} survived, ${summary.lost} lost, ${summary.leaked} leaked (${missed} in which the fault did not come about)`,
  );
}
process.exit(summary.lost + summary.leaked + broken.length === 0 ? 0 : 1);
