import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { setHostFaults } from '../../src/lab/hosts/faults.ts';
import { detectIsolation } from '../../src/lab/hosts/hosts.ts';
import type { Operation } from '../../src/lab/one/oned.ts';
import { World } from './world.ts';

/**
 * node3 is cut off, with a VM that runs there; LINSTOR, the front-end and two nodes are on the other side. No action on either side waits for
 * longer than it has to – the time limit of a test – and each that fails says for whom.
 */
let world: World;
let near: number;
let far: number;
beforeAll(async () => {
  world = await World.open();
  near = await world.vm('node1');
  far = await world.vm('node3');
  await world.lab.linstor('PUT', `/lab/resources/one-vm-${far}-disk-0/node3`, { in_use: true });
});
afterAll(() => world.lab.stop());
beforeEach(() => world.mend());

/** As a switch that dies: connections time out; LINSTOR notices after `seconds`. */
async function cut(seconds: number): Promise<void> {
  await world.lab.linstor('POST', '/lab/strike', { kind: 'cut', node: 'node3', seconds });
  setHostFaults(world.lab.cluster.dir, 'node3', [{ mode: 'down', seconds: 2 }]);
  if (seconds === 0) await Bun.sleep(100);
}

const codeOf = ({ ok, error = '' }: Operation): string =>
  ok ? 'ok' : (/\[([A-Z_]+)\]\s*$/.exec(error.trim())?.[1] ?? error);

const newest = (vm: number): number =>
  world.lab.one
    .read()
    .vms.find(({ id }) => id === vm)
    ?.snapshots['0']?.snapshots.at(-1)?.id ?? -1;

const away = ['HOST_UNREACHABLE', 'HOST_TIMEOUT', 'LINSTOR_NODE_OFFLINE'];

describe.each([
  ['at once', 3],
  ['when LINSTOR has noticed', 0],
])('%s', (_, seconds) => {
  test('the good side: a VM comes and goes', async () => {
    await cut(seconds);
    const vm = await world.vm('node2');
    expect(codeOf(await world.lab.one.terminate(vm))).toBe('ok');
    await world.mend();
    expect((await world.lab.definitions()).filter((name) => name.startsWith(`one-vm-${vm}-`))).toEqual([]);
  }, 120_000);

  test('the good side: snapshot, revert and resize of a VM, or why not', async () => {
    await cut(seconds);
    const taken = await world.lab.one.snapshotCreate(near, 0, 'during');
    const grown = await world.lab.one.resize(near, 0, 16);
    for (const done of [taken, grown])
      if (!done.ok) {
        expect(away).toContain(codeOf(done));
        expect(done.error).toContain('node3');
      }
    await world.mend();
    if (taken.ok) expect(codeOf(await world.lab.one.snapshotDelete(near, 0, newest(near)))).toBe('ok');
    else expect(codeOf(await world.lab.one.snapshotCreate(near, 0, 'after'))).toBe('ok');
  }, 180_000);

  test('the far side: nothing is done there, and the message names the host', async () => {
    await cut(seconds);
    const saved = await world.lab.one.snapshotCreate(far, 0, 'far');
    const moved = await world.lab.one.liveMigrate(far, { host: 'node1', datastore: world.system });
    for (const done of [saved, moved].filter(({ ok }) => !ok)) {
      expect(away).toContain(codeOf(done));
      expect(done.error).toContain('node3');
    }
    expect(moved.ok).toBe(false);
    await world.mend();
    // Two primaries were not left allowed.
    const name = `one-vm-${far}-disk-0`;
    const { props } = (await world.lab.linstor('GET', `/v1/resource-definitions/${name}`)) as {
      props: Record<string, string>;
    };
    expect(props['DrbdOptions/Net/allow-two-primaries'] ?? 'no').toBe('no');
  }, 180_000);
});

test.skipIf(detectIsolation() === 'none')(
  'I/O stands still there and goes on by itself; what reads the device meanwhile ends with its reader',
  async () => {
    const resource = `one-vm-${far}-disk-0`;
    const views = (await world.lab.linstor('GET', `/v1/view/resources?resources=${resource}`)) as {
      node_name: string;
      volumes: { device_path: string }[];
    }[];
    const device = views.find(({ node_name }) => node_name === 'node3')?.volumes[0]?.device_path ?? '';
    const write = `timeout 1 dd if=/dev/zero of=${device} bs=512 count=1 conv=nocreat,notrunc status=none; echo $?`;
    // The satellite and ssh answer; DRBD alone has lost its peers.
    await world.lab.linstor('POST', '/lab/strike', { kind: 'starved', node: 'node3' });
    expect(world.lab.on('node3', write).trim()).toBe('124');
    const { stdout } = await world.run(['doctor', '--json']);
    const findings = (JSON.parse(stdout) as { findings: { id: string; object?: string; what: string }[] })
      .findings;
    expect(findings.find(({ id }) => id === 'hosts.suspended')).toMatchObject({
      object: 'node3',
      what: `I/O is suspended: ${resource}`,
    });
    await world.mend();
    expect(world.lab.on('node3', write).trim()).toBe('0');
  },
  120_000,
);
