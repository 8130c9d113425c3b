import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../../src/cli/main.ts';
import { actionMetrics } from '../../../src/cli/metrics/action-metrics.ts';
import { renderMetrics } from '../../../src/cli/metrics/exposition.ts';
import { listenAddress } from '../../../src/cli/metrics/metrics.ts';
import { DriverError } from '../../../src/errors.ts';
import type { ActionRecord } from '../../../src/log/record.ts';
import { diskless, replica, World } from '../world.ts';

let world: World;
let folder: string;
beforeEach(() => {
  world = new World();
  folder = mkdtempSync(join(tmpdir(), 'metrics-'));
  world.env = { LINSTOR_UN_LOG: join(folder, 'log') };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...argv: string[]): Promise<number> => runCli(['metrics', ...argv], world.environment());

const record = (over: Partial<ActionRecord>): ActionRecord => ({
  time: '2026-01-01T00:00:00.000Z',
  id: '1',
  action: 'tm/clone',
  argv: [],
  object: {},
  calls: [],
  notes: [],
  result: 'ok',
  ms: 400,
  ...over,
});

describe('metrics', () => {
  test('volumes are joined with VMs and images', async () => {
    expect(await run()).toBe(0);
    const lines = world.text.split('\n');
    expect(lines).toContain('linstor_un_up{controller="linstor://c1"} 1');
    expect(lines).toContain(
      'linstor_un_volume_replicas{resource="one-vm-7-disk-0",kind="disk",vm="7",disk="0",state="UpToDate"} 2',
    );
    expect(lines).toContain('linstor_un_volume_degraded{resource="one-image-3",kind="image",image="3"} 0');
    expect(lines.find((line) => line.startsWith('linstor_un_disk_local{'))).toContain('node="alpha"} 1');
    expect(lines).toContain('linstor_un_leftovers 0');
    expect(world.writes).toEqual([]);
  });

  test('a disk that is read over the network is not local', async () => {
    world.resources = [
      replica('one-vm-7-disk-0', 'alpha', { inUse: false }),
      diskless('one-vm-7-disk-0', 'bravo', { inUse: true }),
    ];
    await run();
    const local = world.text.split('\n').filter((line) => line.startsWith('linstor_un_disk_local{'));
    expect(local).toHaveLength(1);
    expect(local[0]).toContain('node="bravo"} 0');
  });

  test('LINSTOR or OpenNebula away is a metric and no failure', async () => {
    world.linstorError = new DriverError('LINSTOR_UNREACHABLE', 'no answer');
    world.oneError = new DriverError('ONE_UNREACHABLE', 'no answer');
    expect(await run()).toBe(0);
    expect(world.text).toContain('linstor_un_up{controller="linstor://c1"} 0\n');
    expect(world.text).toContain('linstor_un_opennebula_up 0\n');
    expect(world.text).not.toContain('linstor_un_leftovers');
  });

  test('--output replaces the file as a whole, or says why not and leaves nothing', async () => {
    const file = join(folder, 'linstor_un.prom');
    expect(await run('--output', file)).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('linstor_un_build_info{version="2.0.0"} 1');
    expect(world.text).toBe('');
    expect(readdirSync(folder)).toEqual(['linstor_un.prom']);
    expect(await run('--output', join(folder, 'none/linstor_un.prom'))).toBe(1);
    expect(world.messages.join()).toContain('none/linstor_un.prom cannot be written');
  });

  test('addresses to listen on', () => {
    expect(listenAddress('9943')).toEqual({ hostname: '127.0.0.1', port: 9943 });
    expect(listenAddress('[::1]:9943')).toEqual({ hostname: '::1', port: 9943 });
    for (const wrong of ['', 'x', '1.2.3.4', '99999999', '1:2:3'])
      expect(() => listenAddress(wrong)).toThrow('is not an address');
  });
});

test('an unreadable log entry is no metric; durations are counted into buckets', () => {
  const text = renderMetrics(
    actionMetrics([record({}), record({ action: 'tm/clone.ssh', ms: 7000 }), record({ result: 'failed' })]),
  );
  expect(text).toContain(
    'linstor_un_action_duration_seconds_bucket{action="tm/clone",result="ok",le="0.5"} 1',
  );
  expect(text).toContain(
    'linstor_un_action_duration_seconds_bucket{action="tm/clone",result="ok",le="+Inf"} 2',
  );
  expect(text).toContain('linstor_un_action_duration_seconds_sum{action="tm/clone",result="ok"} 7.4');
  expect(text).toContain('linstor_un_action_duration_seconds_count{action="tm/clone",result="failed"} 1');
});

test('labels are escaped', () => {
  const samples = [{ labels: { vm_name: 'a"b\\c\nd' }, value: 1 }];
  expect(renderMetrics([{ name: 'x', type: 'gauge', help: 'h', samples }])).toBe(
    '# HELP x h\n# TYPE x gauge\nx{vm_name="a\\"b\\\\c\\nd"} 1\n',
  );
});
