import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FaultRule } from '../../../src/lab/linstor/faults.ts';
import { serveLab, serveLinstor } from '../../../src/lab/linstor/serve.ts';
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

  test('a rule with an unknown word is refused', async () => {
    expect((await over('PUT', '/lab/faults', [{ fault: { kind: 'nonsense' } }])).status).toBe(400);
    expect((await over('PUT', '/lab/faults', [{ colour: 1, fault: { kind: 'lose' } }])).status).toBe(400);
  });
});

describe('in the cluster', () => {
  test('a device node that comes later', async () => {
    const lab = openLab();
    lab.lab.setFaults([{ method: 'POST', fault: { kind: 'device-late', node: 'alpha', seconds: 0.05 } }]);
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
