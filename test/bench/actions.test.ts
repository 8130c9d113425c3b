import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownTarget } from '../../src/lab/cluster-remotes.ts';
import { costRows } from '../../src/tools/bench/actions.ts';
import { otherCandidates } from '../../src/tools/bench/drivers.ts';
import { type BenchLab, noLatency, openBenchLab } from '../../src/tools/bench/lab.ts';
import { type ActionCost, Scenario } from '../../src/tools/bench/scenario.ts';

let dir: string;
let lab: BenchLab;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bench-actions-'));
  lab = await openBenchLab(join(dir, 'lab'), { target: ownTarget(), latency: noLatency });
});
afterEach(async () => {
  await lab.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** A driver that says yes to everything; `ln` asks LINSTOR twice and a host once, `resize` fails. */
const script = `#!/bin/bash
case \${0%/*} in */datastore/*) kind=datastore ;; *) kind=tm ;; esac
case $kind/\${0##*/} in
  */monitor) echo USED_MB=1; echo TOTAL_MB=9; echo FREE_MB=8 ;;
  datastore/stat) echo 16 ;;
  datastore/*) echo source-$RANDOM raw ;;
  tm/ln)
    linstor -m node list >/dev/null && "$SSH" node1 true && test "$ONE_LOCATION/var/remotes/tm/yes/ln" = "$0" ;;
  tm/resize) echo 'no such size' >&2; exit 3 ;;
esac
`;

const actionNames = {
  datastore: ['monitor', 'stat', 'cp', 'mkfs', 'clone', 'rm'],
  tm: 'monitor ln clone mkimage mkswap context resize snap_create snap_create_live snap_revert snap_delete premigrate postmigrate cpds mv mvds delete'.split(
    ' ',
  ),
};

function driverThatSaysYes(): string {
  const root = join(dir, 'site');
  for (const [kind, names] of Object.entries(actionNames)) {
    const folder = join(root, 'var/remotes', kind, 'yes');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, '.yes'), script);
    chmodSync(join(folder, '.yes'), 0o755);
    for (const name of names) symlinkSync('.yes', join(folder, name));
  }
  return root;
}

test('another driver lives the whole life; what it costs and where it fails is told', async () => {
  const [candidate] = otherCandidates([driverThatSaysYes()]);
  if (!candidate) throw new Error('no candidate');
  const scenario = new Scenario(lab, candidate);
  await scenario.run();
  const of = (action: string): ActionCost => {
    const found = scenario.costs.find((cost) => cost.action === action);
    if (!found) throw new Error(`${action} was not called`);
    return found;
  };
  expect(of('tm/ln')).toMatchObject({ exitCode: 0, linstor: 2, ssh: 1 });
  expect(of('tm/clone')).toMatchObject({ exitCode: 0, linstor: 0, ssh: 0, mode: 'by snapshot' });
  expect(of('tm/resize').exitCode).toBe(3);
  const called = new Set(scenario.costs.map(({ action }) => action));
  const missing = Object.entries(actionNames).flatMap(([kind, names]) =>
    names.map((name) => `${kind}/${name}`).filter((name) => !called.has(name)),
  );
  expect(missing).toEqual([]);
  // GNU time may be missing.
  if (existsSync('/usr/bin/time')) {
    const usage = of('tm/clone').usage;
    expect(usage?.memoryMib).toBeWithin(0.5, 30);
  }
});

test('of several runs of an action the median time and the most calls count', () => {
  const cost = { action: 'tm/ln', mode: '', exitCode: 0, ms: 1, linstor: 2, passes: 1, asks: 1, ssh: 1 };
  const rows = costRows('rest', [
    cost,
    { ...cost, ms: 9, linstor: 3, usage: { cpuMs: 20, memoryMib: 40 } },
    { ...cost, ms: 2, usage: { cpuMs: 10, memoryMib: 50 } },
  ]);
  expect(rows.map(({ name, value, unit }) => `${name} ${value} ${unit}`)).toEqual([
    'actions: tm/ln (rest) 2 ms',
    'actions: tm/ln (rest), LINSTOR calls 3 calls',
    'actions: tm/ln (rest), satellite passes 1 calls',
    'actions: tm/ln (rest), questions to satellites 1 calls',
    'actions: tm/ln (rest), ssh sessions 1 calls',
    'actions: tm/ln (rest), weighted 12.96 s',
    'actions: tm/ln (rest), CPU 15 ms',
    'actions: tm/ln (rest), memory 50 MiB',
  ]);
});

test('a failing action has its exit code as a row', () => {
  const rows = costRows('rest', [
    { action: 'tm/ln', mode: 'x', exitCode: 1, ms: 1, linstor: 0, passes: 0, asks: 0, ssh: 0 },
  ]);
  expect(rows.at(-1)).toEqual({ name: 'actions: tm/ln, x (rest), result', value: 1, unit: 'exit code' });
});
