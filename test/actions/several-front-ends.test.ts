import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLab, type TestLab } from '../support/lab.ts';

/**
 * Two front-ends of one zone, which have nothing in common but OpenNebula and LINSTOR: lock files of their own, and an oned.conf with a
 * SERVER_ID. The leader changes in the middle of an action.
 */
setDefaultTimeout(240_000);

let lab: TestLab;
let image = -1;
let system = -1;
let host = '';
let wrapper = '';
const at = (name: string): string => join(lab.cluster.dir, name);

const entries = async (): Promise<string[]> => {
  const all = (await lab.linstor('GET', '/v1/key-value-store')) as {
    name: string;
    props?: Record<string, string>;
  }[];
  return Object.keys(all.find(({ name }) => name === 'one-locks')?.props ?? {}).map((key) =>
    key.split('/').slice(0, 2).join('/'),
  );
};

/** Which front-end calls of oned's run on from now on. */
const leads = (name: string): void => {
  mkdirSync(at(name), { recursive: true });
  writeFileSync(at('leader'), at(name));
};

beforeAll(async () => {
  const runner = join('/tmp', `linstor_un-leader-${process.pid}.sh`);
  writeFileSync(
    runner,
    `dir=$LINSTOR_UN_TEST_DIR
export LINSTOR_UN_LOCKS=$(cat "$dir/leader")
case $1 in */tm/linstor_un/clone) printf '%s\\0' "$@" >"$dir/clone.argv"; echo $$ >"$dir/clone.pid" ;; esac
exec "$@"
`,
  );
  wrapper = runner;
  lab = await startLab({}, {}, { runner: ['bash', runner] });
  Object.assign(lab.one.options.env, { LINSTOR_UN_TEST_DIR: lab.cluster.dir });
  writeFileSync(
    join(lab.cluster.paths.one, 'etc/oned.conf'),
    'FEDERATION = [\n    MODE = "STANDALONE",\n    SERVER_ID = 0 # of three\n]\n',
  );
  leads('one1');
  const template = { RESOURCE_GROUP: 'drbd', SAFE_DIRS: lab.cluster.paths.images, CLONE_MODE: 'snapshot' };
  const images = await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template });
  const systems = await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template });
  if (!images.ok || !systems.ok) throw new Error('no datastores');
  system = systems.datastore;
  const path = join(lab.cluster.paths.images, 'image.raw');
  writeFileSync(path, Buffer.alloc(4 * 1024 * 1024, 'content'));
  const made = await lab.one.createImage({ name: 'image', datastore: images.datastore, path });
  if (!made.ok) throw new Error(made.error);
  image = made.image;
  host = lab.cluster.description.nodes[0] ?? '';
});
afterAll(async () => {
  await lab?.stop();
  rmSync(wrapper, { force: true });
});

/** The same call on another front-end, as `onevm recover --retry` makes it there. */
async function again(frontEnd: string): Promise<{ exitCode: number; stderr: string }> {
  mkdirSync(at(frontEnd), { recursive: true });
  const argv = readFileSync(at('clone.argv'), 'utf8').split('\0').slice(0, -1);
  const child = Bun.spawn(argv, {
    cwd: lab.one.options.cwd,
    env: { ...lab.one.options.env, LINSTOR_UN_LOCKS: at(frontEnd) },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  });
  const stderr = await new Response(child.stderr).text();
  return { exitCode: await child.exited, stderr };
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await Bun.sleep(50);
}

/** Seven bytes at 1 MiB. */
const ofImage = 'contentcontent'.slice((1024 * 1024) % 7).slice(0, 7);
const diskOf = (vm: number) => `one-vm-${vm}-disk-0`;
const content = (vm: number): Promise<string> =>
  lab.linstor('GET', `/v1/view/resources?resources=${diskOf(vm)}`).then((view) => {
    const [first] = (
      view as { node_name: string; flags?: string[]; volumes: { device_path: string }[] }[]
    ).filter(({ flags = [] }) => !flags.includes('DISKLESS'));
    return lab.read(first?.node_name ?? '', first?.volumes[0]?.device_path ?? '', 1024 * 1024, 7);
  });

describe('among several front-ends', () => {
  test('a lock is an entry while it is held, and nothing afterwards', async () => {
    const before = lab.records().length;
    const vm = await lab.one.instantiate({ name: 'first', disks: [{ image }] }, { host, datastore: system });
    expect(vm.ok).toBe(true);
    const clone = lab
      .records()
      .slice(before)
      .find(({ action }) => action === 'tm/clone');
    const locking = (clone?.calls ?? [])
      .map((call) => JSON.stringify(call))
      .filter((text) => text.includes('one-locks'));
    expect(locking.length).toBeGreaterThan(5);
    expect(await entries()).toEqual([]);
    await lab.one.terminate(vm.vm);
  });

  test('what a killed action has left, its own front-end takes over at once', async () => {
    lab.served.linstor.lab.setFaults([
      { method: 'POST', path: 'snapshot-restore-resource', nth: 1, fault: { kind: 'hang', seconds: 5 } },
    ]);
    rmSync(at('clone.pid'), { force: true });
    const first = lab.one.instantiate({ name: 'killed', disks: [{ image }] }, { host, datastore: system });
    await until(() => existsSync(at('clone.pid')));
    await until(async () => (await entries()).some((name) => name.endsWith('-disk-0')));
    await until(async () => (await lab.definitions()).some((name) => /^one-vm-\d+-disk-0$/.test(name)));
    process.kill(Number(readFileSync(at('clone.pid'), 'utf8')), 'SIGKILL');
    const { vm, ok } = await first;
    expect(ok).toBe(false);
    expect(await entries()).toEqual([`held/rd-${diskOf(vm)}`]);
    const started = performance.now();
    const { exitCode, stderr } = await again('one1');
    expect([exitCode, stderr.includes('is taken over from process')]).toEqual([0, true]);
    expect(performance.now() - started).toBeLessThan(25_000);
    expect(await content(vm)).toBe(ofImage);
  });

  test('the leader changes while an action stands still: its rest changes nothing any more', async () => {
    lab.served.linstor.lab.setFaults([
      { method: 'POST', path: 'snapshot-restore-resource', nth: 1, fault: { kind: 'hang', seconds: 3 } },
    ]);
    rmSync(at('clone.pid'), { force: true });
    const before = lab.records().length;
    const names = new Set(await lab.definitions());
    const first = lab.one.instantiate({ name: 'stopped', disks: [{ image }] }, { host, datastore: system });
    await until(() => existsSync(at('clone.pid')));
    await until(async () =>
      (await lab.definitions()).some((name) => name.endsWith('-disk-0') && !names.has(name)),
    );
    const pid = Number(readFileSync(at('clone.pid'), 'utf8'));
    process.kill(pid, 'SIGSTOP');
    const { exitCode, stderr } = await again('one2');
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('is taken over from process')]);
    const uuid = async (name: string): Promise<unknown> =>
      ((await lab.linstor('GET', `/v1/resource-definitions/${name}`)) as { uuid: string }).uuid;
    const disk = (await lab.definitions()).find((name) => name.endsWith('-disk-0') && !names.has(name)) ?? '';
    const [made, resources] = [
      await uuid(disk),
      await lab.linstor('GET', `/v1/resource-definitions/${disk}/resources`),
    ];
    process.kill(pid, 'SIGCONT');
    const old = await first;
    expect(old.ok).toBe(false);
    expect(old.error).toContain('[LOCK_LOST]');
    expect(await uuid(disk)).toBe(made);
    expect(await lab.linstor('GET', `/v1/resource-definitions/${disk}/resources`)).toEqual(resources);
    const record = lab
      .records()
      .slice(before)
      .find(({ action, error }) => action === 'tm/clone' && error);
    expect(record?.error?.code).toBe('LOCK_LOST');
    expect(await entries()).toEqual([]);
    expect(await content(old.vm)).toBe(ofImage);
  });

  test('a store that refuses fails the action before anything is made', async () => {
    lab.served.linstor.lab.setFaults([
      { method: 'PUT', path: 'key-value-store/one-locks', fault: { kind: 'code', code: 998 } },
    ]);
    const names = await lab.definitions();
    const vm = await lab.one.instantiate(
      { name: 'refused', disks: [{ image }] },
      { host, datastore: system },
    );
    lab.served.linstor.lab.setFaults([]);
    expect(vm.ok).toBe(false);
    expect(vm.error).toMatch(
      /could not be locked in LINSTOR’s key-value store one-locks of .*; nothing was changed: /,
    );
    expect(await lab.definitions()).toEqual(names);
  });
});
