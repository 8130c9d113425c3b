import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runClient } from '../../../src/lab/client/client.ts';
import type { FaultRule } from '../../../src/lab/linstor/faults.ts';
import { serveLab, serveLinstor } from '../../../src/lab/linstor/serve.ts';
import { RestLinstor } from '../../../src/linstor/rest/rest.ts';
import { makeGroup, openLab, spawn } from './fixture.ts';

const dir = mkdtempSync(join(tmpdir(), 'lab-faults-'));
const served = serveLinstor({ dir });
afterAll(async () => {
  await served.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function over(method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${served.url}${path}`, {
    method,
    redirect: 'manual',
    keepalive: false,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

const arm = (...rules: FaultRule[]) => over('PUT', '/lab/faults', rules);
const group = (name: string) => ({ name, select_filter: { place_count: 1 } });
const exists = async (name: string) => (await over('GET', `/v1/resource-groups/${name}`)).status === 200;
const createGroups = { method: 'POST', path: '^/v1/resource-groups$' } as const;

describe('over a socket', () => {
  test('dropped before execution: nothing happened', async () => {
    await arm({ ...createGroups, fault: { kind: 'drop', when: 'before' } });
    await expect(over('POST', '/v1/resource-groups', group('early'))).rejects.toThrow();
    expect(await exists('early')).toBe(false);
  });

  test('answer lost: it happened', async () => {
    await arm({ ...createGroups, fault: { kind: 'lose' } });
    await expect(over('POST', '/v1/resource-groups', group('late'))).rejects.toThrow();
    expect(await exists('late')).toBe(true);
  });

  test('the second call only, with a code, changing nothing', async () => {
    await arm({ ...createGroups, nth: 2, fault: { kind: 'code', code: 998, message: 'as told' } });
    const statuses = [];
    for (const name of ['n1', 'n2', 'n3'])
      statuses.push((await over('POST', '/v1/resource-groups', group(name))).status);
    expect(statuses).toEqual([201, 500, 201]);
    expect([await exists('n1'), await exists('n2'), await exists('n3')]).toEqual([true, false, true]);
    const [counted] = (await (await over('GET', '/lab/faults')).json()) as { seen: number; fired: number }[];
    expect(counted).toMatchObject({ seen: 3, fired: 1 });
  });

  test('redirect, missing credentials, half an answer', async () => {
    await arm({ path: '^/v1/nodes$', times: 1, fault: { kind: 'redirect', to: 'https://127.0.0.1:3371' } });
    expect((await over('GET', '/v1/nodes')).headers.get('location')).toBe('https://127.0.0.1:3371');
    await arm({ path: '^/v1/nodes$', fault: { kind: 'unauthorised' } });
    expect((await over('GET', '/v1/nodes')).status).toBe(401);
    await arm({ path: '^/v1/nodes$', fault: { kind: 'truncate' } });
    await expect((await over('GET', '/v1/nodes')).json()).rejects.toThrow();
  });

  test('hang: the answer comes late, or not at all, and the rest goes on meanwhile', async () => {
    await arm({ ...createGroups, fault: { kind: 'hang', seconds: 0.3 } });
    let done = false;
    const slow = over('POST', '/v1/resource-groups', group('slow')).then((answer) => {
      done = true;
      return answer.status;
    });
    expect((await over('GET', '/v1/controller/version')).status).toBe(200);
    expect([done, await exists('slow')]).toEqual([false, false]);
    expect([await slow, await exists('slow')]).toEqual([201, true]);
    await arm({ ...createGroups, fault: { kind: 'hang', seconds: 0.01, afterwards: 'drop' } });
    await expect(over('POST', '/v1/resource-groups', group('never'))).rejects.toThrow();
    expect(await exists('never')).toBe(false);
  });

  test('dropped after execution is an answer lost; a code may have a status of its own', async () => {
    await arm({ ...createGroups, fault: { kind: 'drop', when: 'after' } });
    await expect(over('POST', '/v1/resource-groups', group('after'))).rejects.toThrow();
    expect(await exists('after')).toBe(true);
    await arm({ ...createGroups, fault: { kind: 'code', code: 1002, status: 200, message: 'inside' } });
    const answer = await over('POST', '/v1/resource-groups', group('inside'));
    const code = BigInt(/"ret_code": ?(-?\d+)/.exec(await answer.text())?.[1] ?? 0);
    expect([answer.status, code & 0x7fffn, code < 0n, await exists('inside')]).toEqual([
      200,
      1002n,
      true,
      false,
    ]);
  });

  test('times: so often and no more', async () => {
    await arm({ path: '^/v1/nodes$', times: 2, fault: { kind: 'unauthorised' } });
    const statuses = [];
    for (let call = 0; call < 4; call += 1) statuses.push((await over('GET', '/v1/nodes')).status);
    expect(statuses).toEqual([401, 401, 200, 200]);
    await over('DELETE', '/lab/faults');
    expect(await (await over('GET', '/lab/faults')).json()).toEqual([]);
  });

  test('a rule with an unknown word is refused', async () => {
    expect((await over('PUT', '/lab/faults', [{ fault: { kind: 'nonsense' } }])).status).toBe(400);
    expect((await over('PUT', '/lab/faults', [{ colour: 1, fault: { kind: 'lose' } }])).status).toBe(400);
  });
});

describe('in the cluster', () => {
  test('a node that goes away with a call; what is asked of it meanwhile comes with its return', async () => {
    const lab = openLab();
    await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
    lab.lab.setFaults([
      { path: '/spawn$', times: 1, fault: { kind: 'node', node: 'alpha', connection: 'OFFLINE' } },
    ]);
    expect((await spawn(lab, 'grp', 'rr')).codes).toContain(996);
    const [alpha] = await lab.get<{ connection_status: string }[]>('/v1/nodes?nodes=alpha');
    expect(alpha?.connection_status).toBe('OFFLINE');
    expect((await lab.send('POST', '/lab/mend', { node: 'alpha' })).status).toBe(200);
    expect((await spawn(lab, 'grp', 'rr')).status).toBe(201);
  });

  test('a full pool: nothing can be placed until it is mended', async () => {
    const lab = openLab();
    await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
    const full = { kind: 'pool', node: 'alpha', pool: 'thin', freeKib: 0 };
    const struck = await lab.send('POST', '/lab/strike', full);
    expect(struck.body).toMatchObject({ pools: [{ node: 'alpha', pool: 'thin', freeKib: 0 }] });
    const free = async () =>
      (
        await lab.get<{ free_capacity: unknown }[]>('/v1/view/storage-pools?nodes=alpha&storage_pools=thin')
      )[0]?.free_capacity;
    expect(Number(await free())).toBe(0);
    expect((await spawn(lab, 'grp', 'rr')).codes).toContain(996);
    await lab.send('POST', '/lab/mend');
    expect(Number(await free())).toBeGreaterThan(0);
    expect((await spawn(lab, 'grp', 'rr')).status).toBe(201);
  });

  test('what cannot be struck is refused', async () => {
    const lab = openLab();
    for (const fault of [
      { kind: 'pool', node: 'alpha', pool: 'none', freeKib: 0 },
      { kind: 'satellite', node: 'nobody', message: 'x' },
      { kind: 'lose' },
    ])
      expect((await lab.send('POST', '/lab/strike', fault)).status).toBe(400);
    expect((await lab.send('POST', '/lab/mend', { node: 'nobody' })).status).toBe(400);
  });

  test('a device node that comes later', async () => {
    const lab = openLab();
    lab.lab.setFaults([{ method: 'POST', fault: { kind: 'device-late', node: 'alpha', seconds: 0.8 } }]);
    await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
    await spawn(lab, 'grp', 'rr');
    const device = await lab.device('rr', 'alpha');
    expect(existsSync(device)).toBe(false);
    while (!existsSync(device)) await Bun.sleep(10);
    expect(existsSync(device)).toBe(true);
  });

  test('a satellite that fails: what was decided stays', async () => {
    const lab = openLab();
    await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
    lab.lab.setFaults([
      {
        method: 'POST',
        path: '/spawn$',
        times: 1,
        fault: { kind: 'satellite', node: 'alpha', message: 'Failed to create volume' },
      },
    ]);
    const answer = await spawn(lab, 'grp', 'rr');
    expect(answer.status).toBe(500);
    const errors = answer.entries.filter(
      (entry) =>
        BigInt(entry.ret_code) < -4000000000000000000n && BigInt(entry.ret_code) > -5000000000000000000n,
    );
    expect(errors.map((entry) => entry.message)[0]).toBe('(alpha) Failed to create volume');
    expect(errors).toHaveLength(2);
    expect((await lab.send('GET', '/v1/resource-definitions/rr')).status).toBe(200);
  });

  test('a snapshot that fails on a satellite stays behind and blocks its definition', async () => {
    const lab = openLab();
    await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
    await spawn(lab, 'grp', 'rr');
    lab.lab.setFaults([
      {
        method: 'POST',
        path: '/snapshots$',
        times: 1,
        fault: { kind: 'satellite', node: 'alpha', message: 'no space' },
      },
    ]);
    expect((await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'ss' })).status).toBe(
      500,
    );
    const snapshot = await lab.get<{ flags: string[] }>('/v1/resource-definitions/rr/snapshots/ss');
    expect(snapshot.flags).toEqual(['FAILED_DEPLOYMENT']);
    expect((await lab.send('DELETE', '/v1/resource-definitions/rr')).codes).toEqual([514]);
    await lab.send('DELETE', '/v1/resource-definitions/rr/snapshots/ss');
    expect((await lab.send('DELETE', '/v1/resource-definitions/rr')).status).toBe(200);
  });
});

test('refuse: the connection closes without a word, whatever is asked', async () => {
  await arm({ fault: { kind: 'refuse' } });
  await expect(over('GET', '/v1/nodes')).rejects.toThrow();
  await expect(over('POST', '/v1/resource-groups', group('refused'))).rejects.toThrow();
  await over('DELETE', '/lab/faults');
  expect(await exists('refused')).toBe(false);
});

test('controller 1 is dead and 2 alive: the driver and the client end up at 2, and write once', async () => {
  const first = serveLab(served.lab);
  await first.stop();
  const controllers = [first.url, served.url];
  const driver = new RestLinstor({ controllers, transport: 'rest', linstorCommand: 'linstor' });
  expect((await driver.nodes()).map(({ name }) => String(name))).toEqual(['alpha', 'bravo', 'charlie']);
  // Counted by a rule that changes nothing.
  await arm({ ...createGroups, nth: 99, fault: { kind: 'lose' } });
  const client = await runClient(['-m', 'resource-group', 'create', 'once'], {
    env: { LS_CONTROLLERS: controllers.join(',') },
  });
  expect([client.exit, await exists('once')]).toEqual([0, true]);
  expect(await (await over('GET', '/lab/faults')).json()).toMatchObject([{ seen: 1, fired: 0 }]);
});

test('two controllers of one cluster: one dies, the other goes on', async () => {
  const second = serveLab(served.lab);
  expect((await fetch(`${second.url}/v1/controller/version`)).status).toBe(200);
  await second.stop();
  await expect(fetch(`${second.url}/v1/controller/version`)).rejects.toThrow();
  expect((await over('GET', '/v1/controller/version')).status).toBe(200);
});

test('a taken port is an error at once', () => {
  expect(() => serveLab(served.lab, { port: served.port })).toThrow('in use');
});
