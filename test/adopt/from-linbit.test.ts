import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabVm } from '../../src/lab/one/model.ts';
import { driverTarget, startLab, type TestLab } from '../support/lab.ts';

/**
 * A small installation of LINBIT's driver on the lab: its datastores, its names, its qcow2 in the device. In the place of its driver stands
 * one that does what `tm/delete` of its does: the volume of a disk that is no image goes.
 */

const mib = 1024 * 1024;
let lab: TestLab;
let target: number;
let raw: string;
let qcow2: string;
const linbit = { images: 200, system: 201 } as const;

beforeAll(async () => {
  lab = await startLab();
  const template = { RESOURCE_GROUP: 'drbd', CLONE_MODE: 'snapshot' };
  target = (await lab.one.createDatastore({ name: 'ours', type: 'IMAGE', template })).datastore;
  await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template });
  raw = join(lab.cluster.paths.images, 'disk.raw');
  qcow2 = join(lab.cluster.paths.images, 'disk.qcow2');
  const bytes = Buffer.alloc(6 * mib, 'as the image was ');
  writeFileSync(raw, bytes);
  expect(Bun.spawnSync(['qemu-img', 'convert', '-O', 'qcow2', raw, qcow2]).success).toBe(true);
  const driver = join(lab.cluster.paths.remotes, 'tm', 'linstor');
  mkdirSync(driver, { recursive: true });
  const script = `#!/bin/bash
disk=\${1##*.}
for name in OpenNebula-Image-0-vm$2-disk$disk OpenNebula-Volatile-vm$2-disk$disk; do
  curl -sX DELETE '${lab.cluster.linstorUrl}/v1/resource-definitions/'"$name" >/dev/null
done
`;
  writeFileSync(join(driver, 'delete'), script, { mode: 0o755 });
  writeFileSync(join(driver, 'mvds'), '#!/bin/sh\n', { mode: 0o755 });
  lab.one.options.store.update((state) => {
    const base = { dsMad: 'linstor', tmMad: 'linstor', totalMb: 1000, freeMb: 1000, usedMb: 0 };
    state.datastores.push(
      {
        ...base,
        id: linbit.images,
        name: 'linbit',
        type: 0,
        template: { DISK_TYPE: 'BLOCK', CLONE_TARGET: 'SELF', LN_TARGET: 'NONE' },
      },
      {
        ...base,
        id: linbit.system,
        name: 'linbit-system',
        type: 1,
        dsMad: '-',
        template: { DISK_TYPE: 'BLOCK' },
      },
    );
  });
});
afterAll(async () => lab.stop());

interface View {
  readonly flags?: readonly string[];
  readonly volumes?: readonly { readonly device_path?: string }[];
}

async function volume(name: string, file: string): Promise<void> {
  await lab.linstor('POST', '/v1/resource-groups/drbd/spawn', {
    resource_definition_name: name,
    volume_sizes: [8 * 1024],
  });
  for (const { flags = [], volumes } of (await lab.linstor(
    'GET',
    `/v1/view/resources?resources=${name}`,
  )) as View[]) {
    const path = volumes?.[0]?.device_path;
    if (path === undefined || flags.includes('DISKLESS') || flags.includes('TIE_BREAKER')) continue;
    expect(Bun.spawnSync(['dd', `if=${file}`, `of=${path}`, 'conv=notrunc', 'status=none']).success).toBe(
      true,
    );
  }
}

/** As LINBIT's driver leaves OpenNebula: SOURCE is the bare name. */
async function image(id: number, name: string, file: string, persistent = false): Promise<void> {
  await volume(`OpenNebula-Image-${id}`, file);
  lab.one.options.store.update((state) => {
    state.nextId.image = Math.max(state.nextId.image, id + 1);
    state.images.push({
      id,
      name,
      type: 0,
      persistent,
      persistentType: '',
      regtime: 1_700_000_000,
      source: `OpenNebula-Image-${id}`,
      path: '',
      format: file === qcow2 ? 'qcow2' : 'raw',
      fs: '',
      sizeMb: 8,
      state: 1,
      cloningId: -1,
      targetSnapshot: -1,
      datastoreId: linbit.images,
      vms: [],
      template: {},
      snapshots: { allowOrphans: 'NO', currentBase: -1, next: 0, snapshots: [] },
    });
  });
}

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([(driverTarget as { binary: string }).binary, ...args], {
    env: { ...lab.cluster.driverEnv(), LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' },
    cwd: lab.cluster.paths.var,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}
const move = (...more: string[]) => cli('adopt', '--from-linbit', '--into', 'ours', ...more);
const digest = (bytes: Uint8Array): string => new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
const images = () => lab.one.read().images;
const byName = (name: string) => images().find((each) => each.name === name);
const vmNow = (id: number): LabVm => lab.one.read().vms.find((each) => each.id === id) as LabVm;

describe('a move from LINBIT’s driver', () => {
  test('images: the plan changes nothing, and is carried out as it says', async () => {
    await image(0, 'base', qcow2);
    await image(1, 'data', raw, true);
    const shown = await move();
    expect(shown.code).toBe(0);
    expect(shown.out).toContain('move  image 0 “base” (OpenNebula-Image-0, qcow2 in it: unpacked)');
    expect(shown.out).toContain('First: ADOPT_ALLOW');
    expect(images()).toHaveLength(2);
    // Nothing is opened by the command itself.
    expect((await move('--yes')).code).toBe(64);
    lab.one.updateDatastore(target, { ADOPT_ALLOW: 'OpenNebula-*' });
    const did = await move('--yes');
    expect(did.err).not.toMatch(/ERROR/i);
    expect(did.code).toBe(0);
    expect(byName('base')).toMatchObject({
      datastoreId: target,
      format: 'raw',
      persistent: false,
      sizeMb: 6,
    });
    expect(byName('base-linbit')).toMatchObject({ datastoreId: linbit.images, source: 'OpenNebula-Image-0' });
    expect(byName('data')).toMatchObject({ datastoreId: target, persistent: true });
    const file = join(lab.cluster.paths.var, 'base.raw');
    expect((await cli('export', 'image', String(byName('base')?.id), file)).code).toBe(0);
    expect(digest(readFileSync(file))).toBe(digest(readFileSync(raw)));
    // Repeated, it finds everything done.
    const before = images();
    const again = await move('--yes');
    expect([again.code, images()]).toEqual([0, before]);
    expect(again.out).toContain('done  image 0');
  });

  test('a VM: what its disks hold is in persistent images, attached where the old disks were', async () => {
    await image(50, 'disk of the VM', raw, true);
    const store = lab.one.options.store;
    // What the old volumes hold: the clone has been written to.
    const written = Buffer.from(readFileSync(raw));
    written.write('WRITTEN BY THE VM', 4096);
    const changed = join(lab.cluster.paths.images, 'changed.raw');
    const packed = join(lab.cluster.paths.images, 'changed.qcow2');
    writeFileSync(changed, written);
    Bun.spawnSync(['qemu-img', 'convert', '-O', 'qcow2', changed, packed]);
    const [host = ''] = lab.cluster.description.nodes;
    const { vm } = lab.one.createVm({ name: 'old', disks: [{ image: 0 }, { image: 50 }] } as never);
    await volume(`OpenNebula-Image-0-vm${vm}-disk0`, packed);
    store.update((state) => {
      const made = state.vms.find(({ id }) => id === vm) as LabVm;
      made.state = 8;
      made.lcmState = 0;
      made.history.push({
        seq: 0,
        hostname: host,
        hostId: 0,
        datastoreId: linbit.system,
        tmMad: 'linstor',
        stime: 1_700_000_000,
      });
      for (const [index, name] of ['vda', 'vdb'].entries()) {
        const disk = made.disks[index];
        if (disk) disk.attributes['TARGET'] = name;
      }
    });
    const shown = await move();
    expect(shown.out).toContain(`move  VM ${vm} “old”, disks 0, 1`);
    expect(shown.out).toContain(`goes with VM ${vm}`);
    const did = await move('--yes');
    expect(did.err).not.toMatch(/ERROR/i);
    expect(did.code).toBe(0);
    const disks = vmNow(vm).disks;
    expect(disks.map(({ attributes }) => [attributes['TM_MAD'], attributes['TARGET']])).toEqual([
      ['linstor_un', 'vda'],
      ['linstor_un', 'vdb'],
    ]);
    const [first] = disks;
    const file = join(lab.cluster.paths.var, 'moved.raw');
    expect((await cli('export', 'image', first?.attributes['IMAGE_ID'] ?? '', file)).code).toBe(0);
    expect(digest(readFileSync(file))).toBe(digest(written));
    expect((await lab.definitions()).filter((name) => name.startsWith('OpenNebula-'))).toEqual([
      'OpenNebula-Image-0',
      'OpenNebula-Image-1',
      'OpenNebula-Image-50',
    ]);
    const again = await move('--yes');
    expect(again.code).toBe(0);
    expect(byName('disk of the VM')).toMatchObject({ datastoreId: target, state: 8 });
  });

  test('interrupted between the old disk and the new one, it goes on there', async () => {
    const store = lab.one.options.store;
    const { vm } = lab.one.createVm({ name: 'cut', disks: [{ image: 0 }] } as never);
    await volume(`OpenNebula-Image-0-vm${vm}-disk0`, qcow2);
    const [host = ''] = lab.cluster.description.nodes;
    store.update((state) => {
      const made = state.vms.find(({ id }) => id === vm) as LabVm;
      Object.assign(made, { state: 8, lcmState: 0 });
      made.history.push({
        seq: 0,
        hostname: host,
        hostId: 0,
        datastoreId: linbit.system,
        tmMad: 'linstor',
        stime: 1,
      });
    });
    // `ln` fails: the disk has gone, its image waits.
    const ln = join(lab.cluster.paths.remotes, 'tm', 'linstor_un', 'ln');
    // The name is a link to the program.
    renameSync(ln, `${ln}.away`);
    writeFileSync(ln, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    expect((await move('--yes')).code).toBe(1);
    renameSync(`${ln}.away`, ln);
    expect(vmNow(vm).disks).toEqual([]);
    expect((await move()).out).toContain('left by an interrupted move');
    expect((await move('--yes')).code).toBe(0);
    expect(vmNow(vm).disks).toHaveLength(1);
    expect(vmNow(vm).disks[0]?.attributes['TM_MAD']).toBe('linstor_un');
  });

  test('what runs is left, with the reason', async () => {
    const { vm } = lab.one.createVm({ name: 'running', disks: [{ image: 0 }] } as never);
    const shown = await move();
    expect(shown.out).toContain(`left  VM ${vm} “running”, disk 0: it is not powered off`);
  });
});
