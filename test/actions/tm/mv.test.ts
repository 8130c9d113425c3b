import { afterEach, describe, expect, test } from 'bun:test';
import { mv } from '../../../src/actions/tm/mv.ts';
import {
  type DiskSpec,
  isolated,
  MovingLab,
  type MovingLabOptions,
  type VmSpec,
} from '../../support/moving-lab.ts';

const labs: MovingLab[] = [];
afterEach(() => {
  for (const lab of labs.splice(0)) lab.remove();
});

function makeLab(vm: Partial<VmSpec>, options: Partial<MovingLabOptions> = {}): MovingLab {
  const lab = new MovingLab({
    vm: { id: 7, lcm: 'PROLOG_MIGRATE', disks: [{ id: 0, kind: 'clone' }], ...vm },
    ...options,
  });
  labs.push(lab);
  return lab;
}

const mvDisk = (lab: MovingLab, source: string, destination: string, disk = 0, from = 100, to = 100) =>
  lab.run(mv, {
    name: 'mv',
    argv: [
      `${source}:${lab.location}//${from}/7/disk.${disk}`,
      `${destination}:${lab.location}//${to}/7/disk.${disk}`,
      '7',
      '1',
    ],
  });

const mvDirectory = (lab: MovingLab, source: string, destination: string, from = 100, to = 100) =>
  lab.run(mv, {
    name: 'mv',
    argv: [
      `${source}:${lab.location}//${from}/7`,
      `${destination}:${lab.location}/${to}/7/`,
      '7',
      String(to),
    ],
  });

const resource = 'one-vm-7-disk-0';

describe.skipIf(!isolated)('mv of a disk', () => {
  test('cold migration: attached and linked on the destination, detached from the source, no byte copied', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    expect(await mvDisk(lab, 'host1', 'host2')).toEqual({ reply: undefined });
    expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
    expect(lab.read('host2', 'disk.0')).toBe(`-> ${lab.device(resource)}`);
    expect(lab.calls).toEqual(['ssh host2 link-disk']);
    expect(lab.linstor.writes).toEqual([
      `makeAvailable ${resource} host2`,
      `deleteResource ${resource} host1`,
    ]);
  });

  test('destination first: while the source is detached the destination is attached', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.failures.set('makeAvailable', new Error('controller gone'));
    const { error } = await mvDisk(lab, 'host1', 'host2');
    expect(error?.message).toContain('controller gone');
    expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host3']);
  });

  test('repetition succeeds and changes nothing', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    await mvDisk(lab, 'host1', 'host2');
    lab.linstor.writes.length = 0;
    expect((await mvDisk(lab, 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.writes).toEqual([]);
    expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
  });

  test('replicas with a disk and tie-breakers of the source stay', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host1', 'host2'], { tieBreaker: 'host3' });
    expect((await mvDisk(lab, 'host1', 'host3')).error).toBeUndefined();
    expect(lab.linstor.where(resource)).toEqual(['host1', 'host2', 'host3:diskless']);
    expect((await mvDisk(lab, 'host3', 'host2')).error).toBeUndefined();
    // Detached, the tie-breaker is one again.
    expect(lab.linstor.where(resource)).toEqual(['host1', 'host2', 'host3:tie-breaker']);
  });

  test.each(['EPILOG_STOP', 'EPILOG_STOP_FAILURE', 'EPILOG_UNDEPLOY', 'EPILOG_UNDEPLOY_FAILURE'] as const)(
    '%s: only the host is left; the front-end is no LINSTOR node',
    async (state) => {
      const lab = makeLab({ lcm: state });
      lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
      expect((await mvDisk(lab, 'host1', 'frontend')).error).toBeUndefined();
      expect(lab.linstor.where(resource)).toEqual(['host3']);
      expect(lab.calls).toEqual([]);
      expect(lab.hasDirectory('frontend')).toBe(false);
    },
  );

  test.each([
    'PROLOG_RESUME',
    'PROLOG_RESUME_FAILURE',
    'PROLOG_UNDEPLOY',
    'PROLOG_UNDEPLOY_FAILURE',
  ] as const)('%s: only the host is attached', async (state) => {
    const lab = makeLab({ lcm: state });
    lab.linstor.add(resource, ['host3']);
    expect((await mvDisk(lab, 'frontend', 'host2')).error).toBeUndefined();
    expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
    expect(lab.read('host2', 'disk.0')).toBe(`-> ${lab.device(resource)}`);
    expect(lab.linstor.writes).toEqual([`makeAvailable ${resource} host2`]);
  });

  test.each(['UNKNOWN', 'PROLOG_MIGRATE_UNKNOWN', 'PROLOG_MIGRATE_UNKNOWN_FAILURE'] as const)(
    '%s: the dead source is never contacted, and loses its diskless replica in LINSTOR',
    async (state) => {
      const lab = makeLab({ lcm: state });
      lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
      lab.linstor.offline.add('host1');
      expect((await mvDisk(lab, 'host1', 'host2')).error).toBeUndefined();
      expect(lab.calls).toEqual(['ssh host2 link-disk']);
      expect(lab.linstor.where(resource)).toEqual(['host1:deleting', 'host2:diskless', 'host3']);
    },
  );

  test('a host that is declared dead but still runs the VM keeps its disk', async () => {
    const lab = makeLab({ lcm: 'PROLOG_MIGRATE_UNKNOWN' });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.setInUse(resource, 'host1', true);
    expect((await mvDisk(lab, 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host2:diskless', 'host3']);
    expect(lab.linstor.writes).toEqual([`makeAvailable ${resource} host2`]);
  });

  test('another system datastore on the same host: only the link is made, and the mark follows', async () => {
    const lab = makeLab({ lcm: 'PROLOG_MIGRATE_POWEROFF' });
    lab.linstor.add(resource, ['host1', 'host3'], { props: { 'Aux/one/DS_ID': '100' } });
    expect((await mvDisk(lab, 'host1', 'host1', 0, 100, 101)).error).toBeUndefined();
    expect(lab.linstor.writes).toEqual([`modifyDefinition ${resource} Aux/one/DS_ID=101`]);
    expect(lab.read('host1', 'disk.0', 101)).toBe(`-> ${lab.device(resource)}`);
  });

  test.each(['PROLOG_MIGRATE', 'PROLOG_MIGRATE_UNKNOWN'] as const)(
    'plain storage does not move (%s), and LINSTOR is not asked to make it',
    async (state) => {
      const lab = makeLab({ lcm: state });
      lab.linstor.add(resource, ['host1'], { layers: ['STORAGE'] });
      const { error } = await mvDisk(lab, 'host1', 'host2');
      expect(error?.code).toBe('NOT_REACHABLE_FROM_HOST');
      expect(error?.message).toContain('plain storage on host1');
      expect(error?.message).toContain('new, empty volume');
      expect(lab.linstor.writes).toEqual([]);
      expect(lab.linstor.inventedVolumes).toEqual([]);
      expect(lab.calls).toEqual([]);
    },
  );

  test('plain storage: undeployed and deployed again on its own node it comes back, on another it does not', async () => {
    const lab = makeLab({ lcm: 'PROLOG_UNDEPLOY' });
    lab.linstor.add(resource, ['host1'], { layers: ['STORAGE'] });
    expect((await mvDisk(lab, 'frontend', 'host1')).error).toBeUndefined();
    expect(lab.read('host1', 'disk.0')).toBe(`-> ${lab.device(resource)}`);
    const { error } = await mvDisk(lab, 'frontend', 'host2');
    expect(error?.code).toBe('NOT_REACHABLE_FROM_HOST');
    expect(lab.linstor.inventedVolumes).toEqual([]);
  });

  test.each(['cdrom', 'immutable', 'shareable'] as const)(
    '%s: another VM’s link on the source keeps it attached',
    async (kind) => {
      const lab = makeLab({ disks: [{ id: 0, kind, image: 5 }] });
      lab.linstor.add('one-image-5', ['host3'], { diskless: ['host1'] });
      await lab.link('host1', 'disk.0', lab.device('one-image-5'));
      Bun.spawnSync(['mkdir', '-p', `${lab.dir}/hosts/host1/datastores/100/8`]);
      Bun.spawnSync([
        'ln',
        '-s',
        lab.device('one-image-5'),
        `${lab.dir}/hosts/host1/datastores/100/8/disk.2`,
      ]);
      expect((await mvDisk(lab, 'host1', 'host2')).error).toBeUndefined();
      expect(lab.linstor.where('one-image-5')).toEqual(['host1:diskless', 'host2:diskless', 'host3']);
      Bun.spawnSync(['rm', `${lab.dir}/hosts/host1/datastores/100/8/disk.2`]);
      expect((await mvDisk(lab, 'host1', 'host2')).error).toBeUndefined();
      expect(lab.linstor.where('one-image-5')).toEqual(['host2:diskless', 'host3']);
      // An image outlives its VMs and carries no mark of one.
      expect(lab.linstor.writes.filter((line) => line.startsWith('modifyDefinition'))).toEqual([]);
    },
  );

  test('a source that closes a moment later is detached', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.setInUse(resource, 'host1', true);
    lab.onWait = (now) => {
      if (now >= 3000) lab.linstor.setInUse(resource, 'host1', false);
    };
    expect((await mvDisk(lab, 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
  });

  test('a source that stays open is left, and the move succeeds', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.setInUse(resource, 'host1', true);
    expect((await mvDisk(lab, 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host2:diskless', 'host3']);
    expect(lab.log.filter((line) => line.includes('still open on host1'))).toHaveLength(1);
  });

  test('a device that never appears takes the attachment back', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.devicesAppear = false;
    const { error } = await mvDisk(lab, 'host1', 'host2');
    expect(error?.code).toBe('DEVICE_MISSING');
    expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host3']);
    expect(lab.read('host2', 'disk.0')).toBeUndefined();
  }, 30_000);

  test('paths that are not the same disk of the VM are refused', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host3']);
    for (const [source, destination] of [
      [`host1:${lab.location}/100/7/disk.0`, `host2:${lab.location}/100/7/disk.1`],
      [`host1:${lab.location}/100/7/disk.0`, `host2:${lab.location}/100/7`],
      [`host1:${lab.location}/100/8/disk.0`, `host2:${lab.location}/100/8/disk.0`],
      ['host1:/', `host2:${lab.location}/100/7`],
    ]) {
      const { error } = await lab.run(mv, { name: 'mv', argv: [source ?? '', destination ?? '', '7', '1'] });
      expect(error?.code).toBe('BAD_ARGUMENT');
    }
    const unknown = await mvDisk(lab, 'host1', 'host2', 3);
    expect(unknown.error?.code).toBe('ONE_INCOMPLETE');
    expect(lab.linstor.writes).toEqual([]);
  });
});

describe.skipIf(!isolated)('mv of a VM directory', () => {
  const disks: DiskSpec[] = [
    { id: 0, kind: 'clone' },
    { id: 1, kind: 'clone', image: 9, tmMad: 'ceph' },
  ];

  async function fill(lab: MovingLab, host: string): Promise<void> {
    lab.write(host, 'disk.2', 'context ISO');
    lab.write(host, 'vm.xml', '<VM/>');
    lab.write(host, 'one-7_VARS.fd', 'nvram');
    lab.write(host, 'tpm/tpm2-00.permall', 'tpm state');
    lab.write(host, 'checkpoint', 'memory');
    await lab.link(host, 'disk.0', '/dev/old-device-of-the-source');
    await lab.link(host, 'disk.1', '/dev/rbd/foreign');
  }

  test.each(['PROLOG_MIGRATE', 'PROLOG_MIGRATE_POWEROFF', 'PROLOG_MIGRATE_SUSPEND'] as const)(
    '%s: everything but our links arrives whole, the source goes',
    async (state) => {
      const lab = makeLab({ lcm: state, disks });
      await fill(lab, 'host1');
      await lab.link('host2', 'disk.0', '/dev/fresh-device');
      lab.write('host2', 'stale', 'left by an earlier try');
      expect(await mvDirectory(lab, 'host1', 'host2')).toEqual({ reply: undefined });
      expect(lab.read('host2', 'disk.0')).toBe('-> /dev/fresh-device');
      expect(lab.read('host2', 'disk.1')).toBe('-> /dev/rbd/foreign');
      expect(lab.read('host2', 'disk.2')).toBe('context ISO');
      expect(lab.read('host2', 'one-7_VARS.fd')).toBe('nvram');
      expect(lab.read('host2', 'tpm/tpm2-00.permall')).toBe('tpm state');
      expect(lab.read('host2', 'checkpoint')).toBe('memory');
      expect(lab.read('host2', 'stale')).toBeUndefined();
      expect(lab.hasDirectory('host1')).toBe(false);
    },
  );

  test('to the front-end and back to another host', async () => {
    const lab = makeLab({ lcm: 'EPILOG_STOP', disks });
    await fill(lab, 'host1');
    expect((await mvDirectory(lab, 'host1', 'frontend')).error).toBeUndefined();
    expect(lab.hasDirectory('host1')).toBe(false);
    expect(lab.read('frontend', 'one-7_VARS.fd')).toBe('nvram');
    expect(lab.read('frontend', 'disk.0')).toBeUndefined();
    lab.vm = { ...lab.vm, lcm: 'PROLOG_RESUME' };
    await lab.link('host3', 'disk.0', '/dev/fresh-device');
    expect((await mvDirectory(lab, 'frontend', 'host3')).error).toBeUndefined();
    expect(lab.read('host3', 'checkpoint')).toBe('memory');
    expect(lab.read('host3', 'disk.0')).toBe('-> /dev/fresh-device');
    expect(lab.hasDirectory('frontend')).toBe(false);
  });

  test('large empty stretches stay empty', async () => {
    const lab = makeLab({ disks });
    lab.write('host1', 'vm.xml', '<VM/>');
    const sparse = `${lab.dir}/hosts/host1/datastores/100/7/checkpoint`;
    expect(Bun.spawnSync(['truncate', '-s', '4G', sparse]).success).toBe(true);
    expect((await mvDirectory(lab, 'host1', 'host2')).error).toBeUndefined();
    const moved = Bun.spawnSync([
      'stat',
      '-c',
      '%s %b',
      `${lab.dir}/hosts/host2/datastores/100/7/checkpoint`,
    ]).stdout.toString();
    const [size, blocks] = moved.trim().split(' ').map(Number);
    expect(size).toBe(4 * 1024 ** 3);
    expect(blocks).toBeLessThan(1000);
  });

  test('a link to a device is never followed', async () => {
    const lab = makeLab({ disks: [{ id: 0, kind: 'clone', tmMad: 'fs_lvm' }] });
    lab.linstor.add('device', ['host1']);
    await lab.link('host1', 'disk.0', lab.device('device'));
    expect((await mvDirectory(lab, 'host1', 'host2')).error).toBeUndefined();
    expect(lab.read('host2', 'disk.0')).toBe(`-> ${lab.device('device')}`);
  });

  test.each(['UNKNOWN', 'PROLOG_MIGRATE_UNKNOWN', 'PROLOG_MIGRATE_UNKNOWN_FAILURE'] as const)(
    '%s: nobody is contacted',
    async (state) => {
      const lab = makeLab({ lcm: state, disks });
      await fill(lab, 'host1');
      expect((await mvDirectory(lab, 'host1', 'host2')).error).toBeUndefined();
      expect(lab.calls).toEqual([]);
      expect(lab.read('host1', 'vm.xml')).toBe('<VM/>');
    },
  );

  test('same host and same path: nothing happens', async () => {
    const lab = makeLab({ disks });
    await fill(lab, 'host1');
    expect((await mvDirectory(lab, 'host1', 'host1')).error).toBeUndefined();
    expect(lab.calls).toEqual([]);
    expect(lab.read('host1', 'disk.0')).toBe('-> /dev/old-device-of-the-source');
  });

  test('a shared directory is recognised and stays', async () => {
    const lab = makeLab({ disks });
    // host2 sees the very directory of host1.
    Bun.spawnSync(['rm', '-rf', `${lab.dir}/hosts/host2/datastores`]);
    Bun.spawnSync(['ln', '-s', `${lab.dir}/hosts/host1/datastores`, `${lab.dir}/hosts/host2/datastores`]);
    await fill(lab, 'host1');
    await lab.link('host1', 'disk.0', '/dev/fresh-device');
    expect((await mvDirectory(lab, 'host1', 'host2')).error).toBeUndefined();
    expect(lab.read('host1', 'disk.0')).toBe('-> /dev/fresh-device');
    expect(lab.read('host1', 'one-7_VARS.fd')).toBe('nvram');
    expect(
      Bun.spawnSync(['ls', '-A', `${lab.dir}/hosts/host1/datastores/100`])
        .stdout.toString()
        .trim(),
    ).toBe('7');
  });

  test('another system datastore on the same host', async () => {
    const lab = makeLab({ lcm: 'PROLOG_MIGRATE_POWEROFF', disks });
    await fill(lab, 'host1');
    await lab.link('host1', 'disk.0', '/dev/fresh-device', 101);
    lab.write('host1', 'vm.xml', 'stale', 101);
    expect((await mvDirectory(lab, 'host1', 'host1', 100, 101)).error).toBeUndefined();
    expect(lab.read('host1', 'disk.0', 101)).toBe('-> /dev/fresh-device');
    expect(lab.read('host1', 'disk.1', 101)).toBe('-> /dev/rbd/foreign');
    expect(lab.read('host1', 'vm.xml', 101)).toBe('<VM/>');
    expect(lab.read('host1', 'tpm/tpm2-00.permall', 101)).toBe('tpm state');
    expect(lab.hasDirectory('host1', 100)).toBe(false);
    expect(lab.calls).toEqual(['ssh host1 move-dir']);
  });

  test('repetition: a source that is gone is no failure', async () => {
    const lab = makeLab({ disks });
    await fill(lab, 'host1');
    await mvDirectory(lab, 'host1', 'host2');
    expect((await mvDirectory(lab, 'host1', 'host2')).error).toBeUndefined();
    expect(lab.read('host2', 'checkpoint')).toBe('memory');
    expect((await mvDirectory(lab, 'host2', 'host2', 100, 101)).error).toBeUndefined();
    expect((await mvDirectory(lab, 'host2', 'host2', 100, 101)).error).toBeUndefined();
    expect(lab.read('host2', 'checkpoint', 101)).toBe('memory');
  });

  test('a checkpoint volume leaves the source and its link stays behind', async () => {
    const lab = makeLab({ lcm: 'EPILOG_STOP', disks });
    const name = 'one-vm-7-checkpoint';
    lab.linstor.add(name, ['host3'], { diskless: ['host1'] });
    lab.write('host1', 'vm.xml', '<VM/>');
    await lab.link('host1', 'checkpoint', lab.device(name));
    expect((await mvDirectory(lab, 'host1', 'frontend')).error).toBeUndefined();
    expect(lab.linstor.where(name)).toEqual(['host3']);
    expect(lab.read('frontend', 'checkpoint')).toBeUndefined();
    expect(lab.read('frontend', 'vm.xml')).toBe('<VM/>');
  });

  test('a checkpoint that is an ordinary file travels, whatever volume is left over', async () => {
    const lab = makeLab({ lcm: 'PROLOG_MIGRATE_SUSPEND', disks });
    lab.linstor.add('one-vm-7-checkpoint', ['host1', 'host3']);
    lab.write('host1', 'checkpoint', 'memory');
    expect((await mvDirectory(lab, 'host1', 'host2')).error).toBeUndefined();
    expect(lab.read('host2', 'checkpoint')).toBe('memory');
  });

  describe('with a large checkpoint file', () => {
    async function large(): Promise<MovingLab> {
      const lab = makeLab({ lcm: 'PROLOG_MIGRATE_SUSPEND', disks });
      await fill(lab, 'host1');
      await lab.link('host2', 'disk.0', '/dev/fresh-device');
      const file = `${lab.dir}/hosts/host1/datastores/100/7/checkpoint`;
      expect(Bun.spawnSync(['fallocate', '-l', '300M', file]).success).toBe(true);
      return lab;
    }
    const verbs = (lab: MovingLab): string[] => lab.calls.map((call) => call.split(' ')[2] ?? '');

    function expectMoved(lab: MovingLab): void {
      expect(lab.read('host2', 'checkpoint')?.slice(0, 6)).toBe('memory');
      expect(Bun.file(`${lab.dir}/hosts/host2/datastores/100/7/checkpoint`).size).toBe(300 * 1024 ** 2);
      expect(lab.read('host2', 'disk.0')).toBe('-> /dev/fresh-device');
      expect(lab.read('host2', 'one-7_VARS.fd')).toBe('nvram');
      expect(lab.hasDirectory('host1')).toBe(false);
    }

    test('straight from host to host', async () => {
      const lab = await large();
      expect((await mvDirectory(lab, 'host1', 'host2')).error).toBeUndefined();
      expectMoved(lab);
      expect(verbs(lab)).toEqual([
        'pack-dir',
        'unpack-dir',
        'same-dir',
        'same-dir',
        'send-dir',
        'remove-dir',
      ]);
    });

    test('over the front-end where hosts cannot reach each other', async () => {
      const lab = await large();
      lab.script('hosts/host1/bin/ssh', 'echo "Permission denied (publickey)." >&2; exit 255');
      expect((await mvDirectory(lab, 'host1', 'host2')).error).toBeUndefined();
      expectMoved(lab);
      expect(lab.log.filter((line) => line.includes('cannot reach host2 by ssh'))).toHaveLength(1);
    });

    test('a destination that cannot take it leaves the source whole', async () => {
      const lab = await large();
      Bun.spawnSync(['rm', '-rf', `${lab.dir}/hosts/host2/datastores/100`]);
      Bun.spawnSync(['touch', `${lab.dir}/hosts/host2/datastores/100`]);
      expect((await mvDirectory(lab, 'host1', 'host2')).error?.code).toBe('HOST_COMMAND');
      expect(lab.read('host1', 'one-7_VARS.fd')).toBe('nvram');
    });
  });

  test('the front-end as a host: undeployed and deployed again in place', async () => {
    const lab = makeLab({ lcm: 'EPILOG_UNDEPLOY', disks });
    lab.write('frontend', 'one-7_VARS.fd', 'nvram');
    for (const state of ['EPILOG_UNDEPLOY', 'PROLOG_UNDEPLOY'] as const) {
      lab.vm = { ...lab.vm, lcm: state };
      expect((await mvDirectory(lab, 'frontend', 'frontend')).error).toBeUndefined();
      expect(lab.read('frontend', 'one-7_VARS.fd')).toBe('nvram');
    }
  });

  test('a broken copy leaves the source whole', async () => {
    const lab = makeLab({ disks });
    await fill(lab, 'host1');
    lab.write('host2', 'vm.xml', 'old');
    // The parent is a file: nothing can be unpacked there.
    Bun.spawnSync(['rm', '-rf', `${lab.dir}/hosts/host2/datastores/100`]);
    Bun.spawnSync(['touch', `${lab.dir}/hosts/host2/datastores/100`]);
    const { error } = await mvDirectory(lab, 'host1', 'host2');
    expect(error?.code).toBe('HOST_COMMAND');
    expect(lab.read('host1', 'one-7_VARS.fd')).toBe('nvram');
    expect(lab.read('host1', 'disk.0')).toBe('-> /dev/old-device-of-the-source');
  });
});
