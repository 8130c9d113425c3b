import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../src/cli/main.ts';
import { sinceFrom } from '../../src/cli/trace-follow.ts';
import { JsonLog } from '../../src/log/json-log.ts';
import type { ActionRecord } from '../../src/log/record.ts';
import { type RunningState, runningDirectory, startedTicks } from '../../src/log/running.ts';
import { now, World } from './world.ts';

let folder: string;
let log: string;
let world: World;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linstor_un-trace-'));
  log = join(folder, 'x.log');
  world = new World();
  world.env = { LINSTOR_UN_LOG: log };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...argv: string[]): Promise<number> => runCli(argv, world.environment());

const record = (change: Partial<ActionRecord>): ActionRecord => ({
  time: new Date(now - 60_000).toISOString(),
  id: 'a',
  action: 'tm/ln',
  argv: [],
  object: { vm: 7 },
  calls: [],
  notes: [],
  result: 'ok',
  ms: 10,
  ...change,
});
const write = (change: Partial<ActionRecord>): void => void new JsonLog({ path: log }).write(record(change));

function running(change: Partial<RunningState>): void {
  const state: RunningState = {
    time: new Date(now - 72_000).toISOString(),
    id: 'running-1',
    action: 'tm/clone',
    argv: [],
    object: { vm: 7, disk: 0 },
    pid: process.pid,
    startedTicks: startedTicks(process.pid) ?? '',
    at: now - 3000,
    last: { text: 'ssh attach node1', at: now - 40_000 },
    progress: [{ label: 'copy of one-image-3 to one-vm-7-disk-0', text: '42 % of 10 GiB', percent: 42 }],
    notes: ['the disk becomes a full copy: the pool has no snapshots'],
    ...change,
  };
  mkdirSync(runningDirectory(log), { recursive: true });
  writeFileSync(join(runningDirectory(log), `${state.id}.json`), JSON.stringify(state));
}

describe('what runs', () => {
  const shown = `tm/clone  vm 7 disk 0: running for 1 min 12 s
  copy of one-image-3 to one-vm-7-disk-0: 42 % of 10 GiB
  the disk becomes a full copy: the pool has no snapshots
`;

  test('stands at the end of trace', async () => {
    write({});
    running({});
    await run('trace');
    expect(world.text).toEndWith(`\n\n${shown}`);
    world.out.length = 0;
    await run('trace', '--vm', '8');
    expect(world.text).toBe('No matching actions in the log.\n');
    world.out.length = 0;
    await run('trace', '--failed');
    expect(world.text).not.toContain('tm/clone');
    world.out.length = 0;
    await run('trace', '--json');
    expect(JSON.parse(world.text).map((each: ActionRecord) => each.result)).toEqual(['ok', 'running']);
  });

  test('stands in status, and in that of its VM', async () => {
    running({});
    await run('status');
    expect(world.text).toContain(`\nActions on this front-end\n${shown.replaceAll(/^(?=.)/gm, '  ')}`);
    world.out.length = 0;
    await run('status', 'vm', '7');
    expect(world.text).toContain('copy of one-image-3 to one-vm-7-disk-0: 42 % of 10 GiB');
    world.out.length = 0;
    await run('status', 'image', '3');
    expect(world.text).not.toContain('Actions');
  });

  test('without a transfer its last call is told', async () => {
    write({});
    running({ progress: [], notes: [] });
    await run('trace');
    expect(world.text).toContain('  last call: ssh attach node1, 40.0 s ago\n');
  });

  test('what was killed is told as that, also among the failures', async () => {
    write({});
    running({ startedTicks: '1' });
    await run('trace', '--failed');
    expect(world.text).toContain('tm/clone  vm 7 disk 0: ended without a record, last seen 3.0 s ago\n');
    expect(world.text).toContain('42 % of 10 GiB');
  });
});

test('a failure says what to do; of an older record the code does', async () => {
  const error = { code: 'SHRINK', message: 'it shrinks', details: [], reports: [] };
  write({ id: 'old', result: 'failed', error });
  write({ id: 'new', result: 'failed', error: { ...error, remedy: 'do this instead' } });
  await run('trace', '--failed');
  expect(world.text).toContain('  → volumes only grow; use a new disk of the smaller size\n');
  expect(world.text).toContain('  → do this instead\n');
});

describe('--since', () => {
  test.each([
    ['90s', now - 90_000],
    ['2h', now - 7_200_000],
    ['3 d', now - 3 * 86_400_000],
    ['2026-11-23T10:00:00Z', Date.parse('2026-11-23T10:00:00Z')],
    ['2026-11-23 10:00', Date.parse('2026-11-23T10:00')],
  ])('%s', (text, expected) => {
    expect(sinceFrom(text, now)).toBe(expected);
  });

  test.each(['yesterday', '2', 'h', '2026-13-40', '-2h'])('%s is refused', async (text) => {
    write({});
    expect(await run('trace', `--since=${text}`)).toBe(64);
    expect(world.messages.join()).toContain('neither an age nor a time');
  });

  test('leaves out what is older, and lists all of the rest', async () => {
    write({ time: new Date(now - 3 * 3_600_000).toISOString(), object: { vm: 1 } });
    for (let id = 0; id < 30; id += 1) write({ id: String(id), object: { vm: 2 } });
    await run('trace', '--since', '2h');
    expect(world.text.match(/vm 2/g)).toHaveLength(30);
    expect(world.text).not.toContain('vm 1');
  });
});

test('--follow goes on until it is stopped, and goes with neither --json nor --slow', async () => {
  write({});
  expect(await run('trace', '--follow')).toBe(0);
  expect(world.text).toContain('tm/ln  vm 7');
  expect(await run('trace', '--follow', '--json')).toBe(64);
  expect(await run('trace', '--follow', '--slow')).toBe(64);
});
