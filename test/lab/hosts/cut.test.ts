import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { detectIsolation } from '../../../src/lab/hosts/hosts.ts';
import { startLab, type TestLab } from '../../support/lab.ts';

/** Kernels without their peers, as `drbdsetup` on each host of the lab tells it (linstor-behaviour §13). */
let lab: TestLab;
beforeAll(async () => {
  lab = await startLab();
  await lab.linstor('PUT', '/v1/resource-groups/drbd', {
    override_props: { 'DrbdOptions/Resource/on-no-quorum': 'suspend-io' },
  });
  await lab.linstor('POST', '/v1/resource-groups/drbd/spawn', {
    resource_definition_name: 'one-image-0',
    volume_sizes: [4096],
  });
});
afterAll(() => lab.stop());

interface Status {
  readonly name: string;
  readonly role: string;
  readonly 'suspended-quorum': boolean;
  readonly devices: readonly { readonly quorum: boolean }[];
  readonly connections: readonly { readonly name: string; readonly 'connection-state': string }[];
}

function status(host: string): Status {
  const [only] = JSON.parse(lab.on(host, 'drbdsetup status --json')) as Status[];
  if (!only) throw new Error(`${host} has no resource`);
  return only;
}
const shown = (host: string): Record<string, unknown> => {
  const { devices, connections, ...rest } = status(host);
  return {
    quorum: devices[0]?.quorum,
    suspended: rest['suspended-quorum'],
    peers: Object.fromEntries(connections.map((each) => [each.name, each['connection-state']])),
  };
};

const hosts = ['node1', 'node2', 'node3'];

async function openedOn(host: string, open: boolean): Promise<void> {
  await lab.linstor('PUT', `/lab/resources/one-image-0/${host}`, { in_use: open });
}

describe('a cut of the network', () => {
  test('before it everybody sees everybody', () => {
    for (const host of hosts) {
      const others = hosts.filter((each) => each !== host);
      expect(shown(host)).toEqual({
        quorum: true,
        suspended: false,
        peers: Object.fromEntries(others.map((each) => [each, 'Connected'])),
      });
    }
    const [options] = JSON.parse(lab.on('node1', 'drbdsetup show --json')) as {
      options: Record<string, string>;
    }[];
    expect(options?.options).toMatchObject({ quorum: 'majority', 'on-no-quorum': 'suspend-io' });
  });

  test.each(hosts)('%s alone has no quorum and stands still, the two others go on; and back', async (far) => {
    const near = hosts.filter((each) => each !== far);
    await openedOn(far, true);
    await lab.linstor('POST', '/lab/strike', { kind: 'cut', node: far });
    expect(shown(far)).toEqual({
      quorum: false,
      suspended: true,
      peers: Object.fromEntries(near.map((each) => [each, 'Connecting'])),
    });
    for (const host of near) {
      expect(shown(host)).toMatchObject({ quorum: true, suspended: false });
      expect(shown(host)).toMatchObject({ peers: { [far]: 'Connecting' } });
    }
    await lab.linstor('POST', '/lab/mend', {});
    for (const host of hosts) expect(shown(host)).toMatchObject({ quorum: true, suspended: false });
    await openedOn(far, false);
  });

  test('a host without power is seen so by its peers', async () => {
    await lab.linstor('POST', '/lab/strike', { kind: 'dead', node: 'node2', seconds: 0 });
    expect(shown('node1')).toMatchObject({
      quorum: true,
      peers: { node2: 'Connecting', node3: 'Connected' },
    });
    await lab.linstor('POST', '/lab/mend', { node: 'node2' });
  });
});

test.skipIf(detectIsolation() === 'none')('I/O stands still where the device is open', async () => {
  const [first] = (await lab.linstor('GET', '/v1/view/resources?resources=one-image-0')) as {
    node_name: string;
    volumes: { device_path: string }[];
  }[];
  const [host, device] = [first?.node_name ?? '', first?.volumes[0]?.device_path ?? ''];
  await openedOn(host, true);
  await lab.linstor('POST', '/lab/strike', { kind: 'cut', node: host });
  const run = (command: string): number =>
    Bun.spawnSync([join(lab.cluster.paths.bin, 'ssh'), host, command], {
      stdin: 'ignore',
      env: lab.cluster.driverEnv(),
    }).exitCode;
  // 124: timeout had to end it.
  expect(run(`timeout 1 dd if=/dev/zero of=${device} bs=512 count=1 conv=nocreat,notrunc status=none`)).toBe(
    124,
  );
  expect(run(`timeout 1 dd if=${device} of=/dev/null bs=512 count=1 status=none`)).toBe(124);
  await lab.linstor('POST', '/lab/mend', {});
  expect(run(`timeout 5 dd if=${device} of=/dev/null bs=512 count=1 status=none`)).toBe(0);
  await openedOn(host, false);
});
