import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../src/cli/main.ts';
import { type Paint, paintFor } from '../../src/cli/paint.ts';
import { renderTrace } from '../../src/cli/trace.ts';
import { JsonLog } from '../../src/log/json-log.ts';
import type { ActionRecord } from '../../src/log/record.ts';
import { World } from './world.ts';

const plain = paintFor(false);
let folder: string;
let world: World;

const records: ActionRecord[] = [
  {
    time: '2026-11-23T10:00:00.120Z',
    id: '1-a',
    action: 'tm/clone',
    argv: [],
    object: { vm: 7, disk: 0, host: 'hv1', datastore: 100 },
    notes: [],
    result: 'ok',
    ms: 800,
    reply: '',
    calls: [
      { kind: 'one', target: 'localhost:2633', verb: 'one.vm.info', ms: 4, outcome: 'ok', at: 10 },
      {
        kind: 'linstor',
        target: 'c1:3370',
        verb: 'POST /v1/resource-definitions/one-image-3/snapshots',
        ms: 400,
        outcome: '201',
        at: 420,
      },
      { kind: 'ssh', target: 'hv1', verb: 'link-disk', ms: 300, outcome: 'exit 0', at: 760 },
    ],
  },
  {
    time: '2026-11-23T10:00:05.000Z',
    id: '2-b',
    action: 'tm/ln',
    argv: [],
    object: { vm: 8, disk: 1, host: 'hv2', datastore: 100 },
    result: 'failed',
    ms: 12_400,
    calls: [
      {
        kind: 'linstor',
        target: 'c1:3370',
        verb: 'GET /v1/view/resources',
        ms: 10_000,
        outcome: 'no answer in time',
        at: 10_010,
      },
    ],
    notes: [
      { level: 'info', text: 'said on the way', at: 1 },
      { level: 'warn', text: 'controller c1 is slow', at: 5 },
    ],
    error: {
      code: 'LINSTOR_TIMEOUT',
      message: 'LINSTOR did not answer',
      details: ['GET /v1/view/resources: 10 s'],
      reports: ['6561-00000-000003'],
    },
  },
];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linstor_un-trace-'));
  world = new World();
  world.env = { LINSTOR_UN_LOG: join(folder, 'x.log') };
  const log = new JsonLog({ path: join(folder, 'x.log') });
  for (const record of records) log.write(record);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...argv: string[]): Promise<number> => runCli(['trace', ...argv], world.environment());

describe('trace', () => {
  test('fits 60 columns', async () => {
    world.columns = 60;
    expect(await run()).toBe(0);
    expect(
      world.text.split('\n').filter((line) => Bun.stringWidth(line) > 60 && !line.startsWith('  →')),
    ).toEqual([]);
    expect(world.text).toContain('tm/clone\n  vm 7 disk 0 hv1\n');
  });

  test('a timeline of 80 columns', async () => {
    expect(await run()).toBe(0);
    expect(world.text).toBe(`2026-11-23 10:00:00Z  ok        800 ms  tm/clone  vm 7 disk 0 hv1
  ━···············     4 ms  one      one.vm.info localhost:2633  ok
  ━━━━━━━━········   400 ms  linstor  POST /resource-def…-image-3/snapshots  201
  ·········━━━━━━·   300 ms  ssh      link-disk hv1  exit 0
  one 1× 4 ms, linstor 1× 400 ms, ssh 1× 300 ms, driver 96 ms, total 800 ms;
  c1:3370

2026-11-23 10:00:05Z  failed    12.4 s  tm/ln  vm 8 disk 1 hv2
  ━━━━━━━━━━━━━···   10.0 s  linstor  GET /view/r…ces c1:3370  no answer in time
  said on the way
  controller c1 is slow
  LINSTOR did not answer [LINSTOR_TIMEOUT]
  GET /v1/view/resources: 10 s
  error reports: 6561-00000-000003
  → check the load and the log of the controller, then retry the operation
`);
    expect(world.text.split('\n').every((line) => Bun.stringWidth(line) <= 80)).toBe(true);
  });

  test('several controllers are told apart in their lines', async () => {
    const [first] = records;
    const [, asked] = first?.calls ?? [];
    if (!first || !asked) throw new Error('no records');
    new JsonLog({ path: join(folder, 'x.log') }).write({
      ...first,
      id: '3-c',
      time: '2026-11-23T10:00:09.000Z',
      calls: [asked, { ...asked, target: 'c2:3370', at: 830 }],
    });
    expect(await run('--last', '1')).toBe(0);
    expect(world.text).toContain(' c1:3370  201');
    expect(world.text).toContain(' c2:3370  201');
    expect(world.text).not.toContain('; c');
  });

  test('--slow ends with where the time went, of all that were slow', async () => {
    expect(await run('--slow', '--slower-than', '500', '--last', '1')).toBe(0);
    const lines = world.text.trimEnd().split('\n');
    expect(world.text).not.toContain('vm 7 disk 0');
    expect(lines.slice(-3)).toEqual([
      'action    times  median  slowest  linstor   ssh  one  driver',
      'tm/ln         1  12.4 s   12.4 s     81 %   0 %  0 %    19 %',
      'tm/clone      1  800 ms   800 ms     50 %  38 %  1 %    12 %',
    ]);
  });

  test('filters', async () => {
    const ids = async (...argv: string[]): Promise<string[]> => {
      world.out.length = 0;
      await run('--json', ...argv);
      return (JSON.parse(world.text) as ActionRecord[]).map((record) => record.id);
    };
    expect(await ids()).toEqual(['1-a', '2-b']);
    expect(await ids('--vm', '7')).toEqual(['1-a']);
    expect(await ids('--failed')).toEqual(['2-b']);
    expect(await ids('--slow')).toEqual(['2-b']);
    expect(await ids('--slower-than', '500')).toEqual(['1-a', '2-b']);
    expect(await ids('--action', 'ln')).toEqual(['2-b']);
    expect(await ids('--last', '1')).toEqual(['2-b']);
    expect(await ids('--vm', '99')).toEqual([]);
  });

  test('nothing found is said; no log at all is an error with its remedy', async () => {
    await run('--vm', '99');
    expect(world.text).toBe('No matching actions in the log.\n');
    world.env = { LINSTOR_UN_LOG: join(folder, 'none.log') };
    expect(await run()).toBe(1);
    expect(world.messages.join()).toContain('there is no log');
  });
});

test('what succeeded is not painted as a failure: a session that ends with 0, a reply of 2xx', () => {
  const marked: Paint = {
    ...plain,
    bad: (text) => `<${text}>`,
  };
  const shown = renderTrace(records, 100, marked);
  expect([...shown.matchAll(/<(.*?)>/g)].map((match) => match[1]?.trim())).toEqual([
    'failed',
    'no answer in time',
    'LINSTOR did not answer [LINSTOR_TIMEOUT]',
  ]);
});
