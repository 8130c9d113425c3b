import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { setHostFaults } from '../../src/lab/hosts/faults.ts';
import { World } from './world.ts';

/** `linstor_un evacuate` and `what-if` on the lab: real migrations of its oned, real replicas. */
let world: World;
beforeEach(async () => {
  world = await World.open({ nodes: ['node1', 'node2', 'node3', 'node4'] });
  await world.lab.linstor('PUT', '/lab/tuning', { evacuateSeconds: 0.2 });
});
afterEach(() => world.lab.stop());

interface View {
  readonly node_name: string;
  readonly name: string;
  readonly flags?: readonly string[];
}
async function holders(resource: string): Promise<string[]> {
  const all = (await world.lab.linstor('GET', `/v1/view/resources?resources=${resource}`)) as View[];
  return all
    .filter(({ flags = [] }) => !flags.includes('DISKLESS'))
    .map(({ node_name }) => node_name)
    .sort();
}
async function dataOn(node: string): Promise<string[]> {
  const all = (await world.lab.linstor('GET', `/v1/view/resources?nodes=${node}`)) as View[];
  return all.filter(({ flags = [] }) => !flags.includes('DISKLESS')).map(({ name }) => name);
}
const hostOf = (vm: number): string | undefined =>
  world.lab.one
    .read()
    .vms.find(({ id }) => id === vm)
    ?.history.at(-1)?.hostname;
const stateOf = (host: string): number | undefined =>
  world.lab.one.read().hosts.find(({ name }) => name === host)?.state;
const nodeFlags = async (name: string): Promise<readonly string[]> => {
  const nodes = (await world.lab.linstor('GET', '/v1/nodes')) as { name: string; flags?: string[] }[];
  return nodes.find((node) => node.name === name)?.flags ?? [];
};

test('a host is emptied, is safe, and comes back', async () => {
  const [first] = await holders(`one-image-${world.image}`);
  const host = first ?? '';
  const vms = [await world.vm(host), await world.vm(host)];
  expect(await dataOn(host)).toHaveLength(3);
  const whatIf = await world.run(['what-if', host]);
  expect(whatIf.code).toBe(0);
  expect(whatIf.stdout).toContain(`VM ${vms[0]}`);
  expect(whatIf.stdout).toContain('2 VMs stop. No VM loses data or stops.');

  const done = await world.run(['evacuate', '--yes', host]);
  expect(done.stderr).toContain(`${host} is disabled`);
  expect(done.stderr).toContain('2 of 2 VMs have left');
  expect(done.stderr).toContain(`safe to switch off ${host}`);
  expect(done.code).toBe(0);
  for (const vm of vms) expect(hostOf(vm)).not.toBe(host);
  expect(await dataOn(host)).toEqual([]);
  for (const name of [`one-image-${world.image}`, ...vms.map((vm) => `one-vm-${vm}-disk-0`)])
    expect(await holders(name)).toHaveLength(2);
  expect((await world.run(['what-if', host])).stdout).toBe(`Without ${host} nothing is missing.\n`);
  expect([stateOf(host), await nodeFlags(host)]).toEqual([4, ['EVACUATE']]);

  // Once more changes nothing.
  const again = await world.run(['evacuate', '--yes', host]);
  expect([again.code, again.stderr.includes('safe to switch off')]).toEqual([0, true]);

  const back = await world.run(['evacuate', '--undo', host]);
  expect(back.code).toBe(0);
  expect([stateOf(host), await nodeFlags(host)]).toEqual([2, []]);
});

test('a volume with more copies than its group asks for keeps as many', async () => {
  const datastore = (
    await world.lab.one.createDatastore({
      name: 'three',
      type: 'IMAGE',
      template: { RESOURCE_GROUP: 'drbd', REPLICA_COUNT: '3' },
    })
  ).datastore;
  const { image } = await world.lab.one.createDatablock({ name: 'three', datastore, sizeMb: 8 });
  const [host = ''] = await holders(`one-image-${image}`);
  const done = await world.run(['evacuate', '--yes', host]);
  expect([done.code, done.stderr.includes('safe to switch off')]).toEqual([0, true]);
  expect(await holders(`one-image-${image}`)).toHaveLength(3);
  expect(await dataOn(host)).toEqual([]);
  expect(await world.lab.linstor('GET', '/v1/key-value-store')).toEqual([]);
});

test('a volume with fewer copies than its group asks for leaves too', async () => {
  const name = `one-image-${world.image}`;
  const [host = '', other = ''] = await holders(name);
  await world.lab.linstor('DELETE', `/v1/resource-definitions/${name}/resources/${other}`);
  expect(await holders(name)).toEqual([host]);
  const done = await world.run(['evacuate', '--yes', host]);
  expect([done.code, done.stderr.includes('safe to switch off')]).toEqual([0, true]);
  expect(await holders(name)).toHaveLength(1);
  expect(await dataOn(host)).toEqual([]);
});

test('interrupted in the middle, the next call ends it', async () => {
  const [host = ''] = await holders(`one-image-${world.image}`);
  const vm = await world.vm(host);
  await world.lab.linstor('PUT', '/lab/tuning', { evacuateSeconds: 3600 });
  const child = Bun.spawn([`${world.lab.cluster.paths.bin}/linstor_un`, 'evacuate', '--yes', host], {
    env: world.lab.one.options.env,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  });
  let said = '';
  for await (const chunk of child.stderr) {
    said += new TextDecoder().decode(chunk);
    if (said.includes('still on')) break;
  }
  child.kill('SIGKILL');
  await child.exited;
  expect(hostOf(vm)).not.toBe(host);
  expect(await dataOn(host)).not.toEqual([]);
  // The lab begins to take them away with the next evacuation.
  await world.lab.linstor('PUT', '/lab/tuning', { evacuateSeconds: 0.2 });
  await world.lab.linstor('PUT', `/v1/nodes/${host}/evacuate`);
  const done = await world.run(['evacuate', '--yes', host]);
  expect([done.code, done.stderr.includes('safe to switch off')]).toEqual([0, true]);
  expect(await dataOn(host)).toEqual([]);
});

test('over the LINSTOR client', async () => {
  world.conf('TRANSPORT="cli"\n');
  const [host = ''] = await holders(`one-image-${world.image}`);
  const done = await world.run(['evacuate', '--yes', host]);
  expect([done.code, done.stderr.includes('safe to switch off')]).toEqual([0, true]);
  expect(await dataOn(host)).toEqual([]);
  expect((await world.run(['evacuate', '--undo', host])).code).toBe(0);
  expect(await nodeFlags(host)).toEqual([]);
});

describe('refused, and nothing is changed', () => {
  const untouched = async (host: string): Promise<void> => {
    expect([stateOf(host), await nodeFlags(host)]).toEqual([2, []]);
  };

  test('no other node has room', async () => {
    const [host = '', ...others] = await holders(`one-image-${world.image}`);
    for (const node of ['node1', 'node2', 'node3', 'node4'])
      if (node !== host && !others.includes(node))
        await world.lab.linstor('POST', '/lab/strike', { kind: 'pool', node, pool: 'thin', freeKib: 0 });
    const { code, stderr } = await world.run(['evacuate', '--yes', host]);
    expect(code).toBe(1);
    expect(stderr).toContain(`one-image-${world.image}: no other node has room for a copy`);
    expect(stderr).toContain('nothing was changed');
    await untouched(host);
  });

  test('a disk on plain storage of the host', async () => {
    const template = { RESOURCE_GROUP: 'plain' };
    const system = (await world.lab.one.createDatastore({ name: 'p', type: 'SYSTEM', template })).datastore;
    const { ok, vm } = await world.lab.one.instantiate(
      { name: 'v', disks: [{ volatile: 'fs', sizeMb: 4 }], context: false, memoryMb: 64 },
      { host: 'node1', datastore: system },
    );
    expect(ok).toBe(true);
    const { code, stderr } = await world.run(['evacuate', '--yes', 'node1']);
    expect(code).toBe(1);
    expect(stderr).toContain(`VM ${vm}: one-vm-${vm}-disk-0 is plain storage of node1`);
    await untouched('node1');
    const answer = await world.run(['what-if', '--json', 'node1']);
    expect(answer.code).toBe(1);
    expect(JSON.parse(answer.stdout)).toMatchObject({
      harmless: false,
      vms: [{ id: vm, fate: 'lost', stops: true }],
    });
  });

  test('a VM that is powered off stays without --poweroff', async () => {
    const vm = await world.vm('node1');
    await world.lab.one.poweroff(vm);
    const { code, stderr } = await world.run(['evacuate', '--yes', '--keep-replicas', 'node1']);
    expect(code).toBe(1);
    expect(stderr).toContain(`VM ${vm} is powered off: --poweroff moves it too`);
    await untouched('node1');
    const moved = await world.run(['evacuate', '--yes', '--poweroff', '--keep-replicas', 'node1']);
    expect(moved.stderr).toContain('safe to restart node1');
    expect(moved.code).toBe(0);
    expect(hostOf(vm)).not.toBe('node1');
  });

  test('nobody is asked, and nobody said yes', async () => {
    expect((await world.run(['evacuate', 'node1'])).code).toBe(64);
    await untouched('node1');
  });
});

test('a VM that cannot leave is told, the others have left, and a repeated call goes on', async () => {
  const stuck = await world.vm('node1');
  const [other] = [await world.vm('node1')];
  // Nothing is linked on any other host: no VM arrives.
  for (const name of ['node2', 'node3', 'node4'])
    setHostFaults(world.lab.cluster.dir, name, [{ mode: 'refused' }]);
  const failed = await world.run(['evacuate', '--yes', 'node1']);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('2 of 2 VMs are still on node1');
  expect(failed.stderr).toContain(`VM ${stuck}: `);
  expect(await nodeFlags('node1')).toEqual([]);
  await world.mend();
  const done = await world.run(['evacuate', '--yes', 'node1']);
  expect([done.code, done.stderr.includes('safe to switch off node1')]).toEqual([0, true]);
  for (const vm of [stuck, other ?? -1]) expect(hostOf(vm)).not.toBe('node1');
});
