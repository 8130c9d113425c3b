import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { actions, installedNames } from '../../src/actions/registry.ts';
import { runClient } from '../../src/lab/client/client.ts';
import { type Cluster, createCluster, writeDescription } from '../../src/lab/cluster.ts';
import {
  isRunning,
  ownProcess,
  type ServedCluster,
  serveCluster,
  stopCluster,
} from '../../src/lab/cluster-serve.ts';
import { Demo, type DemoStep } from '../../src/lab/demo.ts';
import { setHostFaults } from '../../src/lab/hosts/faults.ts';
import { detectIsolation } from '../../src/lab/hosts/hosts.ts';

let dir: string;
let cluster: Cluster;
let served: ServedCluster | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lab-cluster-'));
  cluster = createCluster({ dir: join(dir, 'lab') });
});
afterEach(async () => {
  await served?.stop();
  served = undefined;
  rmSync(dir, { recursive: true, force: true });
});

const linstor = async (...argv: string[]): Promise<string> =>
  (await runClient(['-m', ...argv], { env: cluster.driverEnv() })).stdout;

function ssh(host: string, command: string): { code: number; stdout: string } {
  const ran = Bun.spawnSync([join(cluster.paths.bin, 'ssh'), host, command]);
  return { code: ran.exitCode, stdout: ran.stdout.toString() };
}

test('every name of the action table can be called', () => {
  for (const action of actions) {
    const folder = join(cluster.paths.remotes, action.kind, action.kind === 'vmm' ? 'kvm' : 'linstor_un');
    for (const name of installedNames(action)) expect(existsSync(join(folder, name))).toBe(true);
  }
});

test.skipIf(detectIsolation() !== 'root')(
  'hosts may have DRBD’s links, and only while they have the resource',
  async () => {
    cluster = createCluster({ dir: join(dir, 'with-links'), byRes: true });
    served = await serveCluster(cluster);
    await linstor('resource-definition', 'create', 'linked', '--layer-list', 'drbd,storage');
    await linstor('volume-definition', 'create', 'linked', '8M');
    await linstor('resource', 'create', 'node1', 'linked', '--storage-pool', 'thin');
    await linstor('resource', 'create', 'node2', 'linked', '--drbd-diskless');
    const link = '/dev/drbd/by-res/linked/0';
    expect(ssh('node1', `echo written | dd of=${link} conv=notrunc status=none`).code).toBe(0);
    expect(ssh('node2', `head -c 8 ${link}`)).toEqual({ code: 0, stdout: 'written\n' });
    expect(ssh('node3', `ls ${link}`).code).not.toBe(0);
    const disk = join(cluster.paths.location, 'disk.0');
    ssh('node2', `ln -s ${link} ${disk}`);
    expect(readFileSync(cluster.fileOnHost('node2', disk), 'utf8')).toStartWith('written\n');
    await linstor('resource', 'delete', 'node2', 'linked');
    expect(ssh('node2', 'ls /dev/drbd/by-res').stdout).toBe('');
    expect(ssh('node1', `head -c 8 ${link}`).stdout).toBe('written\n');
  },
);

test('state and addresses survive a restart; two servers at once are refused', async () => {
  served = await serveCluster(cluster);
  const before = cluster.driverEnv();
  await linstor('resource-definition', 'create', 'kept');
  cluster.one().addHost('extra');
  await served.stop();
  served = await serveCluster(cluster);
  expect(cluster.driverEnv()).toEqual(before);
  expect(await linstor('resource-definition', 'list')).toContain('"kept"');
  expect(
    cluster
      .one()
      .read()
      .hosts.map(({ name }) => name),
  ).toEqual(['node1', 'node2', 'node3', 'extra']);
  await served.stop();
  served = undefined;
  // A running server is known by its process and the time that it began.
  const other = Bun.spawn(['sh', '-c', 'sleep 30; true', 'serve']);
  writeDescription(cluster.dir, { ...cluster.description, ...ownProcess(other.pid) });
  await expect(serveCluster(cluster)).rejects.toThrow('is running already');
  // A process that has got the number of a server that was killed is left alone, whatever it is.
  writeDescription(cluster.dir, { ...cluster.description, started: '1' });
  expect([isRunning(cluster.description), await stopCluster(cluster)]).toEqual([false, false]);
  expect(other.exitCode).toBe(null);
  other.kill();
  await other.exited;
  expect(() => createCluster({ dir: cluster.dir })).toThrow('there is a lab already');
});

test.skipIf(detectIsolation() === 'none')(
  'a host sees its own device nodes only, under every node’s path',
  async () => {
    served = await serveCluster(cluster);
    await linstor('resource-definition', 'create', 'one', '-l', 'storage');
    await linstor('volume-definition', 'create', 'one', '8MiB');
    await linstor('resource', 'create', 'node1', 'one', '-s', 'thin');
    const device = join(cluster.paths.linstor, 'dev/node1/one_00000');
    expect(ssh('node1', `stat -c %s ${device}`).stdout).toBe('8388608\n');
    expect(ssh('node2', `stat -c %s ${device}`).code).not.toBe(0);
    ssh(
      'node1',
      `mkdir -p ${cluster.paths.location}/1/2 && ln -s ${device} ${cluster.paths.location}/1/2/disk.0`,
    );
    expect(cluster.fileOnHost('node1', `${cluster.paths.location}//1/2/disk.0`)).toBe(device);
  },
);

test('the demonstration: real driver calls, every check, nothing left', async () => {
  served = await serveCluster(cluster);
  const seen: DemoStep[] = [];
  const result = await new Demo(cluster, {
    operation: () => undefined,
    step: (step) => seen.push(step),
  }).run();
  expect(result.steps.filter(({ ok }) => !ok)).toEqual([]);
  expect(result.ok).toBe(true);
  expect(seen).toEqual([...result.steps]);
  expect(result.steps.filter(({ kind }) => kind === 'check')).toHaveLength(7);
  const called = new Set(
    result.steps.filter(({ kind }) => kind === 'call').map(({ call }) => call.split(' ')[0]),
  );
  for (const name of [
    'datastore/linstor_un/stat',
    'datastore/linstor_un/cp',
    'datastore/linstor_un/rm',
    'datastore/linstor_un/monitor',
  ])
    expect(called).toContain(name);
  for (const name of ['clone', 'mkswap', 'context', 'resize', 'delete', 'monitor'])
    expect(called).toContain(`tm/linstor_un/${name}`);
  expect(readdirSync(join(cluster.paths.location)).length).toBe(0);
}, 120_000);

test('the demonstration stops at what fails, and says so', async () => {
  served = await serveCluster(cluster);
  for (const host of ['node1', 'node2', 'node3']) setHostFaults(cluster.dir, host, [{ mode: 'refused' }]);
  const { steps, ok } = await new Demo(cluster, { operation: () => undefined, step: () => undefined }).run();
  expect(ok).toBe(false);
  const last = steps.at(-1);
  expect([last?.kind, last?.ok, last?.call.split(' ')[0]]).toEqual([
    'call',
    false,
    'datastore/linstor_un/cp',
  ]);
  expect(last?.detail).toContain('HOST_UNREACHABLE');
}, 60_000);
