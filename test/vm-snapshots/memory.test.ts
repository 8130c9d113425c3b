import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ok, SnapshotWorld } from './world.ts';

/** OpenNebula's scripts on the hosts: the memory is one word in a file of the host. */
function hypervisorScripts(world: SnapshotWorld): void {
  const { dir, paths } = world.lab.cluster;
  const directory = join(dir, 'scripts/vmm/kvm');
  mkdirSync(directory, { recursive: true });
  const script = (name: string, body: string): void =>
    writeFileSync(
      join(directory, name),
      `#!/bin/bash\nset -e\nstate=\${HOME%/home}/domains\ncat >/dev/null\n${body}\n`,
      {
        mode: 0o755,
      },
    );
  // save <domain> <file> …: the domain is gone afterwards. restore <file> <host> <domain> …: takes the file's name away.
  script(
    'save',
    `[ ! -e "$state/fail-save" ] || { echo "error: told to fail" >&2; exit 1; }
cp "$state/memory" "$state/saved.tmp"; dd if="$state/saved.tmp" of="$2" conv=notrunc status=none; virsh destroy "$1"; echo "save $1" >>"$state/journal"`,
  );
  script(
    'restore',
    `[ ! -e "$state/fail-restore" ] || { echo "error: told to fail" >&2; exit 1; }
head -c 8 "$1" >"$state/memory"; rm "$1"; rm -f "$state/$3"; echo "restore $3" >>"$state/journal"`,
  );
  writeFileSync(join(paths.var, 'config'), `SCRIPTS_REMOTE_DIR=${dir}/scripts\n`);
}

describe('VM_SNAPSHOT_MEMORY', () => {
  let world: SnapshotWorld;
  let domains = '';
  beforeAll(async () => {
    world = await SnapshotWorld.open('drbd', { VM_SNAPSHOT_MEMORY: 'yes' });
    hypervisorScripts(world);
    world.lab.one.options.store.update((state) => {
      for (const vm of state.vms) vm.memoryMb = 64;
    });
    domains = join(world.lab.cluster.dir, 'hosts', world.host, 'domains');
    mkdirSync(domains, { recursive: true });
    remember('memory-1');
  });
  afterAll(() => world.lab.stop());
  const remember = (word: string): void => writeFileSync(join(domains, 'memory'), word);
  const memory = (): string => readFileSync(join(domains, 'memory'), 'utf8');
  const volumes = async (): Promise<string[]> =>
    (await world.lab.definitions()).filter((name) => name.includes('-memory-'));
  const domain = (): string => `one-${world.vm}`;

  test('the memory is in a volume of its own, of the same moment as the disks, and the guest runs on', async () => {
    world.writeAll('first---');
    world.journal();
    ok(await world.lab.one.systemSnapshotCreate(world.vm));
    expect(await volumes()).toEqual([`one-vm-${world.vm}-memory-0`]);
    expect(world.journal()).toEqual([`destroy ${domain()}`, `save ${domain()}`, `restore ${domain()}`]);
    expect(world.runs).toBe(true);
    const verbs = world.lab.lastRecord().calls.map(({ kind, verb }) => `${kind} ${verb}`);
    expect(
      verbs.filter((each) => each.startsWith('linstor POST') && each.includes('/snapshot')),
    ).toHaveLength(1);
    expect(existsSync(join(world.directory, 'memory.0'))).toBe(false);
  });

  test('revert: the guest goes on from that memory, on those disks', async () => {
    world.writeAll('second--');
    remember('memory-2');
    world.journal();
    ok(await world.lab.one.systemSnapshotRevert(world.vm, 0));
    expect(world.readAll()).toEqual(['first---', 'first---', 'first---']);
    expect(memory()).toBe('memory-1');
    expect(world.journal()).toEqual([`destroy ${domain()}`, `restore ${domain()}`]);
    // The memory can be reverted to again.
    remember('memory-3');
    ok(await world.lab.one.systemSnapshotRevert(world.vm, 0));
    expect(memory()).toBe('memory-1');
  });

  test('a guest that cannot be saved runs on, and nothing is left', async () => {
    writeFileSync(join(domains, 'fail-save'), '');
    const failed = await world.lab.one.systemSnapshotCreate(world.vm);
    rmSync(join(domains, 'fail-save'));
    expect(failed.ok).toBe(false);
    expect(failed.error).toContain('told to fail');
    expect(world.runs).toBe(true);
    expect(await volumes()).toEqual([`one-vm-${world.vm}-memory-0`]);
    for (const disk of [0, 1, 2])
      expect(await world.snapshots(disk)).toEqual([`one-vm-${world.vm}-snapshot-0`]);
  });

  test('a memory that cannot be restored: all disks come back, and the domain runs on them', async () => {
    world.writeAll('latest--');
    writeFileSync(join(domains, 'fail-restore'), '');
    const failed = await world.lab.one.systemSnapshotRevert(world.vm, 0);
    rmSync(join(domains, 'fail-restore'));
    expect(failed.ok).toBe(false);
    expect(world.readAll()).toEqual(['latest--', 'latest--', 'latest--']);
    expect(world.runs).toBe(true);
  });

  test('the VM’s own word wins; the memory goes with its snapshot, and with the VM', async () => {
    world.lab.one.options.store.update((state) => {
      for (const vm of state.vms) vm.userTemplate = { VM_SNAPSHOT_MEMORY: 'no' };
    });
    ok(await world.lab.one.systemSnapshotCreate(world.vm));
    expect(await volumes()).toEqual([`one-vm-${world.vm}-memory-0`]);
    world.lab.one.options.store.update((state) => {
      for (const vm of state.vms) vm.userTemplate = {};
    });
    const { snapshot } = ok(await world.lab.one.systemSnapshotCreate(world.vm));
    expect(await volumes()).toEqual([`one-vm-${world.vm}-memory-0`, `one-vm-${world.vm}-memory-${snapshot}`]);
    ok(await world.lab.one.systemSnapshotDelete(world.vm, 0));
    expect(await volumes()).toEqual([`one-vm-${world.vm}-memory-${snapshot}`]);
    ok(await world.lab.one.terminate(world.vm));
    expect(await volumes()).toEqual([]);
  });
});
