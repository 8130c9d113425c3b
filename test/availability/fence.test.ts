import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setHostFaults } from '../../src/lab/hosts/faults.ts';
import { World } from './world.ts';

/** `linstor_un fence` on the lab, as the host hook calls it. */
let world: World;
let vm: number;
let noted: string;
beforeAll(async () => {
  world = await World.open();
  vm = await world.vm('node1');
  noted = join(world.lab.cluster.dir, 'fenced');
});
afterAll(() => world.lab.stop());
beforeEach(async () => {
  await world.mend();
  world.conf('');
  rmSync(noted, { force: true });
});

interface Report {
  readonly fenced: boolean;
  readonly by?: string;
  readonly disks: readonly { readonly safe: boolean; readonly why: string; readonly resource: string }[];
  readonly alive: readonly string[];
  readonly command?: string;
}
async function fence(...argv: string[]): Promise<{ code: number; report: Report }> {
  const { code, stdout, stderr } = await world.run(['fence', '--json', ...argv]);
  if (stdout === '') throw new Error(stderr);
  return { code, report: JSON.parse(stdout) as Report };
}

/** A fencing command that notes how it was called. */
function command(text = 'exit 0'): void {
  const path = join(world.lab.cluster.dir, 'ipmi');
  writeFileSync(path, `#!/bin/sh\necho "$*" >>'${noted}'\n${text}\n`, { mode: 0o755 });
  world.conf(`FENCE_COMMAND="${path}"\nFENCE_TIMEOUT="5"\n`);
}
const calls = (): string => (existsSync(noted) ? readFileSync(noted, 'utf8') : '');

describe('by quorum', () => {
  test('a host that is alive is not fenced, and why', async () => {
    const { code, report } = await fence('node1');
    expect(code).toBe(1);
    expect(report.fenced).toBe(false);
    expect(report.disks).toEqual([expect.objectContaining({ resource: `one-vm-${vm}-disk-0`, safe: false })]);
    expect(report.disks[0]?.why).toContain('connected to it');
    expect(report.alive.join()).toContain('LINSTOR reaches its satellite');
  });

  test('a host without power is, at once and again', async () => {
    await world.strike('dead', 'node1');
    for (const _ of ['first', 'again']) {
      const { code, report } = await fence('node1');
      expect(report).toMatchObject({ fenced: true, by: 'quorum' });
      expect(report.disks[0]?.why).toContain('have quorum without it');
      expect(code).toBe(0);
    }
  });

  test('a host that is cut off is, with no controller that answers', async () => {
    await world.strike('cut', 'node1');
    await world.lab.linstor('PUT', '/lab/faults', [{ fault: { kind: 'refuse' } }]);
    const { code, report } = await fence('node1');
    await world.lab.linstor('DELETE', '/lab/faults');
    expect(report).toMatchObject({ fenced: true, by: 'quorum' });
    expect(code).toBe(0);
  });

  test('one satellite that is away is no dead host', async () => {
    await world.lab.linstor('PUT', '/lab/nodes/node1', { connection: 'OFFLINE' });
    const { code, report } = await fence('node1');
    expect(report.disks[0]?.why).toContain('connected to it');
    expect(code).toBe(1);
  });

  test('a second host that does not answer is a doubt', async () => {
    await world.strike('dead', 'node1');
    setHostFaults(world.lab.cluster.dir, 'node2', [{ mode: 'refused' }]);
    await world.lab.linstor('PUT', '/lab/nodes/node2', { connection: 'OFFLINE' });
    const { code, report } = await fence('node1');
    expect(report.disks[0]).toMatchObject({ safe: false });
    expect(report.disks[0]?.why).toContain('node2 cannot be asked');
    expect(code).toBe(1);
  });

  test('without quorum on the resource nothing is sure', async () => {
    const name = `/v1/resource-definitions/one-vm-${vm}-disk-0`;
    const quorum = 'DrbdOptions/Resource/quorum';
    await world.lab.linstor('PUT', name, { override_props: { [quorum]: 'off' } });
    await world.strike('dead', 'node1');
    const { code, report } = await fence('node1');
    await world.mend();
    await world.lab.linstor('PUT', name, { override_props: { [quorum]: 'majority' } });
    expect(report.disks[0]?.why).toContain('quorum is off');
    expect(code).toBe(1);
  });

  test('the document of a host hook, in base64 on stdin; and a host on which nothing runs', async () => {
    await world.strike('dead', 'node1');
    const document = '<HOST><ID>0</ID><NAME>node1</NAME><STATE>3</STATE><TEMPLATE></TEMPLATE></HOST>';
    const { code, stdout } = await world.run(['fence'], btoa(document));
    expect(stdout).toContain('node1 is fenced: the other nodes have quorum without it\n');
    expect(stdout).toContain(`  ok   VM ${vm} disk 0 (one-vm-${vm}-disk-0): `);
    expect(code).toBe(0);
    await world.mend();
    await world.strike('dead', 'node3');
    expect((await fence('node3')).report).toMatchObject({ fenced: true, by: 'nothing runs there' });
  });

  test('a host that nobody knows, and none at all', async () => {
    expect((await world.run(['fence', 'node9'])).stderr).toContain('[ONE_NOT_FOUND]');
    expect((await world.run(['fence'], '')).code).toBe(64);
  });
});

describe('by the site’s command', () => {
  const off = async (): Promise<void> => {
    await world.lab.linstor('PUT', `/v1/resource-definitions/one-vm-${vm}-disk-0`, {
      override_props: { 'DrbdOptions/Resource/quorum': 'off' },
    });
  };
  beforeEach(off);

  test('it says so, and nobody is connected', async () => {
    command();
    await world.strike('dead', 'node1', { seconds: 0 });
    await Bun.sleep(50);
    const { code, report } = await fence('node1');
    expect(calls()).toBe('off node1\n');
    expect(report).toMatchObject({ fenced: true, by: 'command' });
    expect(code).toBe(0);
  });

  test('never a host that is alive, without --force', async () => {
    command();
    const { code, report } = await fence('node1');
    expect(calls()).toBe('');
    expect(report.command).toContain('not run: the host is alive');
    expect(code).toBe(1);
  });

  test('with --force; a success that nobody bears out is none', async () => {
    command();
    const { code, report } = await fence('--force', 'node1');
    expect(calls()).toBe('off node1\n');
    expect(report.fenced).toBe(false);
    expect(report.command).toContain('still connected to the host');
    expect(code).toBe(1);
  }, 60_000);

  test('it fails, or takes too long', async () => {
    await world.strike('dead', 'node1', { seconds: 0 });
    await Bun.sleep(50);
    command('echo no such chassis >&2; exit 3');
    const failed = await fence('node1');
    expect([failed.code, failed.report.fenced]).toEqual([1, false]);
    expect(failed.report.command).toContain('no such chassis');
    command('sleep 60');
    const late = await fence('node1');
    expect([late.code, late.report.fenced]).toEqual([1, false]);
  });

  test('--test asks it for the status and does nothing', async () => {
    command();
    const { code, report } = await fence('--test', 'node1');
    expect(calls()).toBe('status node1\n');
    expect(report).toMatchObject({ fenced: true, by: 'command' });
    expect(report.disks[0]).toMatchObject({ safe: false, why: 'quorum is off' });
    expect(code).toBe(0);
    command('exit 1');
    expect((await fence('--test', 'node1')).code).toBe(1);
  });
});

test('--test without a command: quorum alone', async () => {
  await world.lab.linstor('PUT', `/v1/resource-definitions/one-vm-${vm}-disk-0`, {
    override_props: { 'DrbdOptions/Resource/quorum': 'majority' },
  });
  const { code, report } = await fence('--test', 'node1');
  expect(report).toMatchObject({ fenced: true, by: 'quorum' });
  expect(code).toBe(0);
  setHostFaults(world.lab.cluster.dir, 'node2', [{ mode: 'refused' }]);
  expect((await fence('--test', 'node1')).code).toBe(1);
});
