import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveTpm } from '../../src/backup/directory.ts';
import { putTpm } from '../../src/backup/tpm.ts';
import type { Context } from '../../src/context.ts';
import { SshHosts } from '../../src/hosts/ssh.ts';
import type { Operation } from '../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../support/lab.ts';
import { BackupWorld, MiB, ok } from './world.ts';

const codeOf = ({ error = '' }: Operation): string | undefined => /\[([A-Z_]+)\]/.exec(error)?.[1];

describe('what is refused, before anything is changed', () => {
  let world: BackupWorld;
  beforeAll(async () => {
    world = await BackupWorld.open('drbd');
  }, 120_000);
  afterAll(async () => world.lab.stop());

  test('an interactive backup', async () => {
    world.lab.one.configureBackup(world.vm, { INTERACTIVE: 'YES' });
    const refused = await world.backup();
    expect([refused.ok, codeOf(refused)]).toEqual([false, 'NOT_SUPPORTED']);
    world.lab.one.configureBackup(world.vm, { INTERACTIVE: 'NO' });
    expect(await world.lab.snapshots()).not.toContain(`one-vm-${world.vm}-disk-0/one-backup-full`);
  });

  test('a disk of another driver, by name', async () => {
    const disk = world.lab.one.options.store.update((state) => {
      const attributes = state.vms[0]?.disks[1]?.attributes ?? {};
      attributes['TM_MAD'] = 'ceph';
      return attributes;
    });
    const refused = await world.backup();
    expect(codeOf(refused)).toBe('NOT_SUPPORTED');
    expect(refused.error).toContain('“ceph”');
    ok(await world.backup({ disks: [0] }));
    expect(disk['TM_MAD']).toBe('ceph');
    world.lab.one.options.store.update((state) => {
      const attributes = state.vms[0]?.disks[1]?.attributes ?? {};
      attributes['TM_MAD'] = 'linstor_un';
    });
  });

  test('one that OpenNebula has cancelled ends, and leaves nothing', async () => {
    world.lab.one.configureBackup(world.vm, { MODE: 'INCREMENT' });
    // postbackup and the state that oned sets are not asked: prebackup alone, of a VM that is running again.
    ok(await world.backup());
    const calls = world.lab.calls.filter(({ action }) => action === 'prebackup_live');
    const last = calls.at(-1);
    const run = Bun.spawn(
      [join(world.lab.cluster.paths.remotes, 'tm/linstor_un/prebackup_live'), ...(last?.argv ?? [])],
      {
        env: world.lab.one.options.env,
        stdin: Buffer.from(last?.stdin?.text ?? ''),
        stdout: 'ignore',
        stderr: 'pipe',
      },
    );
    const said = await new Response(run.stderr).text();
    expect([await run.exited, said]).toEqual([1, expect.stringContaining('[INTERRUPTED]')]);
    expect((await world.lab.definitions()).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  test('one that is cancelled while a disk is exported ends then, and not with the disk', async () => {
    const { lab } = world;
    const slow = join(lab.cluster.paths.bin, 'qemu-img');
    const begun = join(lab.cluster.paths.bin, 'begun');
    // Only what makes the file of a backup is slow.
    writeFileSync(
      slow,
      `#!/bin/bash\ncase "$*" in *linstor_un-backup*|*/part.*) : >'${begun}'; sleep 600 & wait;; esac\nexec /usr/bin/qemu-img "$@"\n`,
      { mode: 0o755 },
    );
    try {
      const running = world.backup();
      while (!existsSync(begun)) await Bun.sleep(50);
      lab.one.options.store.update((state) => {
        const vm = state.vms.find(({ id }) => id === world.vm);
        if (vm) vm.lcmState = 3;
      });
      const done = await running;
      expect(done.error).toContain('was cancelled in OpenNebula');
      expect(codeOf(done)).toBe('INTERRUPTED');
    } finally {
      rmSync(slow);
    }
    expect((await lab.definitions()).filter((name) => name.includes('tmp'))).toEqual([]);
    ok(await world.backup());
  });

  test('all disks are taken in one call', async () => {
    ok(await world.backup());
    const record = world.lab
      .records()
      .filter(({ action }) => action === 'tm/prebackup_live')
      .at(-1);
    const taken = (record?.calls ?? [])
      .map(({ verb, target }) => `${verb} ${target}`)
      .filter((call) => call.includes('POST') && call.includes('snapshot') && !call.includes('restore'));
    expect(taken).toEqual([expect.stringContaining('/v1/actions/snapshot/multi')]);
  });
});

describe('a pool without snapshots', () => {
  let lab: TestLab;
  let vm: number;
  let store: number;
  let host: string;
  let link: string;
  beforeAll(async () => {
    lab = await startLab({ pools: [{ name: 'thin', provider: 'LVM' }] });
    const template = { RESOURCE_GROUP: 'plain', SAFE_DIRS: lab.cluster.paths.images };
    const images = ok(await lab.one.createDatastore({ name: 'i', type: 'IMAGE', template })).datastore;
    const system = ok(await lab.one.createDatastore({ name: 's', type: 'SYSTEM', template })).datastore;
    store = ok(await lab.one.createDatastore({ name: 'b', type: 'BACKUP', driver: 'rsync' })).datastore;
    const path = join(lab.cluster.paths.images, 'x.raw');
    writeFileSync(path, Buffer.alloc(4 * MiB, 'content'));
    const { image } = ok(await lab.one.createImage({ name: 'x', datastore: images, path }));
    host = lab.cluster.description.nodes[0] ?? '';
    vm = ok(await lab.one.instantiate({ name: 'v', disks: [{ image }] }, { host, datastore: system })).vm;
    link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
  }, 120_000);
  afterAll(async () => lab.stop());

  test('increments and backups of the running VM are refused; in full, powered off, it is backed up', async () => {
    expect(codeOf(await lab.one.backup(vm, { datastore: store }))).toBe('LINSTOR_UNSUPPORTED');
    lab.one.configureBackup(vm, { MODE: 'INCREMENT' });
    expect(codeOf(await lab.one.backup(vm, { datastore: store }))).toBe('LINSTOR_UNSUPPORTED');
    lab.one.configureBackup(vm, { MODE: 'FULL' });
    ok(await lab.one.poweroff(vm));
    const { image } = ok(await lab.one.backup(vm, { datastore: store }));
    const { source } = lab.one.read().images.find(({ id }) => id === image) ?? { source: '' };
    const file = join(lab.cluster.paths.location, `${store}/${vm}/${source}/disk.0.0`);
    const raw = Bun.spawnSync(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', file, `${file}.raw`]);
    expect(raw.success).toBe(true);
    const sha = new Bun.CryptoHasher('sha256').update(readFileSync(`${file}.raw`)).digest('hex');
    expect(sha).toBe(lab.on(host, `cat '${link}' | sha256sum | cut -c1-64`).trim());
    expect(codeOf(await lab.one.restore(vm, { image }))).toBe('NOT_SUPPORTED');
  });
});

describe('the state of a virtual TPM', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'linstor_un-tpm-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('is packed, and put back over another', async () => {
    const said: string[] = [];
    const log = { info: () => {}, debug: () => {}, call: () => {}, warn: (text: string) => said.push(text) };
    const signal = new AbortController().signal;
    const ctx = { hosts: new SshHosts({ ownName: 'host1' }), log, signal } as unknown as Context;
    const directory = join(dir, '7');
    const backup = join(directory, 'backup');
    mkdirSync(backup, { recursive: true });
    const place = { host: 'host1', directory: backup };
    await saveTpm(ctx, { host: 'host1', directory, domain: '' }, place);
    expect(said.join()).toContain('no state of the TPM');
    mkdirSync(join(directory, 'tpm'));
    writeFileSync(join(directory, 'tpm/tpm2-00.permall'), 'secret state');
    await saveTpm(ctx, { host: 'host1', directory, domain: '' }, place);
    const archive = readFileSync(join(backup, 'disk.tpm.0'));
    writeFileSync(join(directory, 'tpm/tpm2-00.permall'), 'changed');
    writeFileSync(join(directory, 'tpm/stray'), 'x');
    await putTpm(ctx, { host: 'host1', directory }, archive);
    expect(readFileSync(join(directory, 'tpm/tpm2-00.permall'), 'utf8')).toBe('secret state');
    expect(
      Bun.spawnSync(['ls', '-A', join(directory, 'tpm')])
        .stdout.toString()
        .trim(),
    ).toBe('tpm2-00.permall');
    expect(Bun.spawnSync(['ls', '-A', directory]).stdout.toString().trim().split('\n')).toEqual([
      'backup',
      'tpm',
    ]);
  });
});
