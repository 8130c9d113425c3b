import { afterEach, describe, expect, test } from 'bun:test';
import type { ActionHandler } from '../../../src/actions/action.ts';
import { context } from '../../../src/actions/tm/context.ts';
import { deleteDisk } from '../../../src/actions/tm/delete.ts';
import { failmigrate } from '../../../src/actions/tm/failmigrate.ts';
import { ln } from '../../../src/actions/tm/ln.ts';
import { mv } from '../../../src/actions/tm/mv.ts';
import { mvds } from '../../../src/actions/tm/mvds.ts';
import { postmigrate } from '../../../src/actions/tm/postmigrate.ts';
import { premigrate } from '../../../src/actions/tm/premigrate.ts';
import { resize } from '../../../src/actions/tm/resize.ts';
import { DriverError } from '../../../src/errors.ts';
import type { ResourceDefinition } from '../../../src/linstor/linstor.ts';
import { ReplyLost } from '../../../src/linstor/reply-lost.ts';
import { closeLeftWindows } from '../../../src/volumes/left-window.ts';
import { refusal } from '../../support/fake-linstor.ts';
import {
  isolated,
  MovingLab,
  type MovingLabOptions,
  type Ran,
  type VmSpec,
  vmXml,
} from '../../support/moving-lab.ts';

const labs: MovingLab[] = [];
afterEach(() => {
  for (const lab of labs.splice(0)) lab.remove();
});

function makeLab(vm: Partial<VmSpec> = {}, options: Partial<MovingLabOptions> = {}): MovingLab {
  const lab = new MovingLab({
    vm: { id: 7, lcm: 'MIGRATE', disks: [{ id: 0, kind: 'clone' }], ...vm },
    ...options,
  });
  labs.push(lab);
  return lab;
}

const handlers: Readonly<Record<string, ActionHandler>> = { premigrate, postmigrate, failmigrate };

function step(
  lab: MovingLab,
  name: 'premigrate' | 'postmigrate' | 'failmigrate',
  source: string,
  destination: string,
  marker?: string,
): Promise<Ran> {
  const handler = handlers[name];
  if (!handler) throw new Error(name);
  return lab.run(handler, { name, ...lab.migration(source, destination, marker) });
}

/** What QEMU does between premigrate and postmigrate. */
function moveVm(lab: MovingLab, names: readonly string[], source: string, destination: string): void {
  for (const name of names) {
    lab.linstor.setInUse(name, destination, true);
    lab.linstor.setInUse(name, source, false);
  }
}

const resource = 'one-vm-7-disk-0';
const dual = 'DrbdOptions/Net/allow-two-primaries';

describe.skipIf(!isolated).each([{ managedDualPrimary: false }, { managedDualPrimary: true }])(
  'live migration, managed by LINSTOR: %o',
  (options) => {
    const isOpen = (lab: MovingLab): boolean =>
      lab.linstor.props(resource)[dual] === 'yes' || lab.linstor.window(resource) !== undefined;

    function running(lab: MovingLab): void {
      lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
      lab.linstor.setInUse(resource, 'host1', true);
      lab.write('host1', 'disk.1', 'context ISO');
      lab.write('host1', 'one-7_VARS.fd', 'nvram');
      void lab.link('host1', 'disk.0', lab.device(resource));
    }

    test('there and back again; two primaries only inside the window', async () => {
      const lab = makeLab({}, options);
      running(lab);
      for (const [source, destination] of [
        ['host1', 'host2'],
        ['host2', 'host1'],
        ['host1', 'host3'],
        ['host3', 'host2'],
      ] as const) {
        expect((await step(lab, 'premigrate', source, destination)).error).toBeUndefined();
        expect(isOpen(lab)).toBe(true);
        expect(lab.read(destination, 'disk.0')).toBe(`-> ${lab.device(resource)}`);
        expect(lab.read(destination, 'one-7_VARS.fd')).toBe('nvram');
        expect(lab.read(source, 'one-7_VARS.fd')).toBe('nvram');
        moveVm(lab, [resource], source, destination);
        expect((await step(lab, 'postmigrate', source, destination)).error).toBeUndefined();
        expect(isOpen(lab)).toBe(false);
        expect(lab.hasDirectory(source)).toBe(false);
        expect(lab.read(destination, 'disk.0')).toBe(`-> ${lab.device(resource)}`);
        expect(lab.linstor.where(resource)).toEqual(
          destination === 'host3' ? ['host3'] : [`${destination}:diskless`, 'host3'].sort(),
        );
      }
    });

    test('failmigrate cleans the destination and leaves the source as it was', async () => {
      const lab = makeLab({}, options);
      running(lab);
      expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
      expect((await step(lab, 'failmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(isOpen(lab)).toBe(false);
      expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host3']);
      expect(lab.hasDirectory('host2')).toBe(false);
      expect(lab.read('host1', 'one-7_VARS.fd')).toBe('nvram');
      expect(lab.read('host1', 'disk.0')).toBe(`-> ${lab.device(resource)}`);
    });

    test('a premigrate that fails takes back all of it, and the failmigrate that may follow finds nothing to do', async () => {
      const lab = makeLab(
        {
          disks: [
            { id: 0, kind: 'clone' },
            { id: 2, kind: 'persistent', image: 5 },
          ],
        },
        options,
      );
      running(lab);
      lab.linstor.add('one-image-5', ['host3'], { diskless: ['host1'] });
      lab.linstor.setInUse('one-image-5', 'host1', true);
      lab.linstor.failures.set('makeAvailable one-image-5 host2', refusal('make one-image-5 available', 998));
      const { error } = await step(lab, 'premigrate', 'host1', 'host2');
      expect(error?.code).toBe('LINSTOR_ERROR');
      for (const name of [resource, 'one-image-5']) {
        expect(lab.linstor.where(name)).toEqual(['host1:diskless', 'host3']);
        expect(lab.linstor.props(name)).toEqual({});
        expect(lab.linstor.window(name)).toBeUndefined();
      }
      expect(lab.hasDirectory('host2')).toBe(false);
      expect(lab.read('host1', 'one-7_VARS.fd')).toBe('nvram');
      expect((await step(lab, 'failmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host3']);
    });

    test('tie-breakers: used as destination, and one again afterwards', async () => {
      const lab = makeLab({}, options);
      lab.linstor.add(resource, ['host1', 'host2'], { tieBreaker: 'host3' });
      lab.linstor.setInUse(resource, 'host1', true);
      await step(lab, 'premigrate', 'host1', 'host3');
      expect(lab.linstor.where(resource)).toEqual(['host1', 'host2', 'host3:diskless']);
      moveVm(lab, [resource], 'host1', 'host3');
      expect((await step(lab, 'postmigrate', 'host1', 'host3')).error).toBeUndefined();
      expect(lab.linstor.where(resource)).toEqual(['host1', 'host2', 'host3:diskless']);
      await step(lab, 'premigrate', 'host3', 'host2');
      moveVm(lab, [resource], 'host3', 'host2');
      expect((await step(lab, 'postmigrate', 'host3', 'host2')).error).toBeUndefined();
      expect(lab.linstor.where(resource)).toEqual(['host1', 'host2', 'host3:tie-breaker']);
    });

    test('a failed premigrate gives the tie-breaker back', async () => {
      const lab = makeLab(
        {
          disks: [
            { id: 0, kind: 'clone' },
            { id: 1, kind: 'clone', image: 9, tmMad: 'ceph' },
          ],
        },
        options,
      );
      lab.linstor.add(resource, ['host1', 'host2'], { tieBreaker: 'host3' });
      lab.linstor.setInUse(resource, 'host1', true);
      lab.script('var/remotes/tm/ceph/premigrate', 'echo no pool >&2; exit 7');
      lab.script('var/remotes/tm/ceph/failmigrate', 'exit 0');
      const { error } = await step(lab, 'premigrate', 'host1', 'host3');
      expect(error?.message).toContain('no pool');
      expect(lab.linstor.where(resource)).toEqual(['host1', 'host2', 'host3:tie-breaker']);
      expect(isOpen(lab)).toBe(false);
    });

    test('a source that is still open is not released, and that is told', async () => {
      const lab = makeLab({}, options);
      running(lab);
      await step(lab, 'premigrate', 'host1', 'host2');
      lab.linstor.setInUse(resource, 'host2', true);
      const { error } = await step(lab, 'postmigrate', 'host1', 'host2');
      expect(error?.code).toBe('LINSTOR_IN_USE');
      expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host2:diskless', 'host3']);
      expect(isOpen(lab)).toBe(true);
      expect(lab.read('host1', 'one-7_VARS.fd')).toBe('nvram');
      lab.linstor.setInUse(resource, 'host1', false);
      expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
      expect(isOpen(lab)).toBe(false);
      expect(lab.hasDirectory('host1')).toBe(false);
    });

    test('a source that closes its disk a moment later is waited for', async () => {
      const lab = makeLab({}, options);
      running(lab);
      await step(lab, 'premigrate', 'host1', 'host2');
      lab.linstor.setInUse(resource, 'host2', true);
      lab.onWait = (now) => {
        if (now >= 4000) lab.linstor.setInUse(resource, 'host1', false);
      };
      expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
      expect(isOpen(lab)).toBe(false);
    });

    test('an unreachable source does not keep LINSTOR from being cleaned', async () => {
      const lab = makeLab({}, options);
      running(lab);
      await step(lab, 'premigrate', 'host1', 'host2');
      moveVm(lab, [resource], 'host1', 'host2');
      Bun.spawnSync(['rm', '-rf', `${lab.dir}/hosts/host1`]);
      const { error } = await step(lab, 'postmigrate', 'host1', 'host2');
      expect(error?.code).toBe('HOST_UNREACHABLE');
      expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
      expect(isOpen(lab)).toBe(false);
    });

    test('same host: nothing at all', async () => {
      const lab = makeLab({}, options);
      running(lab);
      for (const name of ['premigrate', 'postmigrate', 'failmigrate'] as const) {
        expect((await step(lab, name, 'host1', 'HOST1')).error).toBeUndefined();
      }
      expect(lab.linstor.writes).toEqual([]);
      expect(lab.calls).toEqual([]);
      expect(lab.read('host1', 'one-7_VARS.fd')).toBe('nvram');
    });

    test('plain storage is refused before anything is changed', async () => {
      const lab = makeLab(
        {
          disks: [
            { id: 0, kind: 'clone' },
            { id: 2, kind: 'volatile' },
          ],
        },
        options,
      );
      running(lab);
      lab.linstor.add('one-vm-7-disk-2', ['host1'], { layers: ['LUKS', 'STORAGE'] });
      const { error } = await step(lab, 'premigrate', 'host1', 'host2');
      expect(error?.code).toBe('NOT_REACHABLE_FROM_HOST');
      expect(error?.message).toContain('disk 2 of VM 7 cannot move from host1 to host2');
      expect(lab.linstor.writes).toEqual([]);
      expect(lab.linstor.inventedVolumes).toEqual([]);
      expect(lab.calls).toEqual([]);
      expect(lab.hasDirectory('host2')).toBe(false);
    });

    test('repetition of each step succeeds', async () => {
      const lab = makeLab({}, options);
      running(lab);
      await step(lab, 'premigrate', 'host1', 'host2');
      expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
      moveVm(lab, [resource], 'host1', 'host2');
      await step(lab, 'postmigrate', 'host1', 'host2');
      expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
      expect(lab.read('host2', 'one-7_VARS.fd')).toBe('nvram');
    });

    test('one ssh session on each host: directory and links of all disks', async () => {
      const disks = [0, 1, 2, 3].map((id) => ({ id, kind: 'clone' as const }));
      const lab = makeLab({ disks }, options);
      for (const { id } of disks) {
        lab.linstor.add(`one-vm-7-disk-${id}`, ['host3'], { diskless: ['host1'] });
        lab.linstor.setInUse(`one-vm-7-disk-${id}`, 'host1', true);
      }
      expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(lab.calls).toEqual(['ssh host1 pack-dir', 'ssh host2 unpack-dir']);
      expect(disks.map(({ id }) => lab.read('host2', `disk.${id}`))).toEqual(
        disks.map(({ id }) => `-> ${lab.device(`one-vm-7-disk-${id}`)}`),
      );
      // One look at all resources, whatever their number.
      expect(lab.linstor.reads).toBe(1);
    });

    test('a shared directory is neither copied nor removed', async () => {
      const lab = makeLab({}, options);
      Bun.spawnSync(['rm', '-rf', `${lab.dir}/hosts/host2/datastores/100`]);
      Bun.spawnSync([
        'mkdir',
        '-p',
        `${lab.dir}/shared`,
        `${lab.dir}/hosts/host1/datastores/100`,
        `${lab.dir}/hosts/host2/datastores/100`,
      ]);
      for (const host of ['host1', 'host2']) {
        await Bun.write(`${lab.dir}/hosts/${host}/mounts`, `${lab.dir}/shared\t${lab.location}/100\n`);
      }
      Bun.spawnSync(['mkdir', '-p', `${lab.location}/100`, `${lab.dir}/shared/7`]);
      await Bun.write(`${lab.dir}/shared/7/one-7_VARS.fd`, 'nvram');
      lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
      lab.linstor.setInUse(resource, 'host1', true);
      const files = () =>
        Bun.spawnSync(['ls', '-A', `${lab.dir}/shared/7`])
          .stdout.toString()
          .split('\n')
          .filter(Boolean);
      expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(files()).toEqual(['disk.0', 'one-7_VARS.fd']);
      expect((await step(lab, 'failmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(files()).toEqual(['disk.0', 'one-7_VARS.fd']);
      await step(lab, 'premigrate', 'host1', 'host2');
      moveVm(lab, [resource], 'host1', 'host2');
      expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(files()).toEqual(['disk.0', 'one-7_VARS.fd']);
      expect(
        Bun.spawnSync(['ls', '-A', `${lab.dir}/shared`])
          .stdout.toString()
          .trim(),
      ).toBe('7');
    });

    test.each(['cdrom', 'immutable', 'shareable'] as const)(
      '%s: attached on both, and left where another VM has it',
      async (kind) => {
        const lab = makeLab({ disks: [{ id: 0, kind, image: 5 }] }, options);
        const image = 'one-image-5';
        lab.linstor.add(image, ['host3'], {
          diskless: ['host1'],
          ...(kind === 'shareable' ? { props: { [dual]: 'yes' } } : {}),
        });
        if (kind === 'shareable') {
          // A second VM writes to it, on the node with the disk.
          lab.linstor.setInUse(image, 'host1', true);
          lab.linstor.setInUse(image, 'host3', true);
        }
        expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
        expect(lab.linstor.where(image)).toEqual(['host1:diskless', 'host2:diskless', 'host3']);
        Bun.spawnSync(['mkdir', '-p', `${lab.dir}/hosts/host1/datastores/100/8`]);
        Bun.spawnSync(['ln', '-s', lab.device(image), `${lab.dir}/hosts/host1/datastores/100/8/disk.2`]);
        if (kind === 'shareable') moveVm(lab, [image], 'host1', 'host2');
        expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
        expect(lab.linstor.where(image)).toEqual(['host1:diskless', 'host2:diskless', 'host3']);
        // Shareable stays shareable; the others never were.
        expect(lab.linstor.props(image)[dual]).toBe(kind === 'shareable' ? 'yes' : undefined);
        Bun.spawnSync(['rm', `${lab.dir}/hosts/host1/datastores/100/8/disk.2`]);
        expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
        expect(lab.linstor.where(image)).toEqual(['host2:diskless', 'host3']);
        expect(lab.linstor.props(image)[dual]).toBe(kind === 'shareable' ? 'yes' : undefined);
      },
    );
  },
);

describe.skipIf(!isolated)('called by and calling other TMs', () => {
  const disks = [
    { id: 0, kind: 'clone' as const },
    { id: 1, kind: 'clone' as const, image: 9, tmMad: 'ceph' },
    { id: 2, kind: 'clone' as const, image: 8, tmMad: 'ceph' },
  ];
  const recorder = 'printf "%s|" "$0" "$@" >>"$LAB/calls"; printf "stdin=%s\\n" "$(cat)" >>"$LAB/calls"';

  test.each(['premigrate', 'postmigrate', 'failmigrate'] as const)(
    '%s with a marker handles our disks and touches nothing else',
    async (name) => {
      const lab = makeLab({ disks }, { systemTm: 'ssh' });
      lab.linstor.add(resource, ['host3'], { diskless: ['host1', 'host2'] });
      lab.linstor.setInUse(resource, name === 'postmigrate' ? 'host2' : 'host1', true);
      for (const host of ['host1', 'host2']) lab.write(host, 'one-7_VARS.fd', `nvram on ${host}`);
      lab.script('var/remotes/tm/ceph/premigrate', recorder);
      lab.script('var/remotes/tm/ceph/postmigrate', recorder);
      lab.script('var/remotes/tm/ceph/failmigrate', recorder);
      expect((await step(lab, name, 'host1', 'host2', 'ssh')).error).toBeUndefined();
      for (const host of ['host1', 'host2']) expect(lab.read(host, 'one-7_VARS.fd')).toBe(`nvram on ${host}`);
      expect(lab.file('calls')).toBe('');
      const left = {
        premigrate: ['host1:diskless', 'host2:diskless', 'host3'],
        postmigrate: ['host2:diskless', 'host3'],
        failmigrate: ['host1:diskless', 'host3'],
      };
      expect(lab.linstor.where(resource)).toEqual(left[name]);
    },
  );

  test.each(['premigrate', 'postmigrate', 'failmigrate'] as const)(
    '%s calls each other TM once, marked, with the document on stdin',
    async (name) => {
      const lab = makeLab({ disks });
      lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
      lab.write('host1', 'vm.xml', '<VM/>');
      lab.script(`var/remotes/tm/ceph/${name}`, recorder);
      expect((await step(lab, name, 'host1', 'host2')).error).toBeUndefined();
      const encoded = Buffer.from(vmXml(lab.vm)).toString('base64');
      expect(lab.file('calls')).toBe(
        `${lab.remotes}/tm/ceph/${name}|host1|host2|${lab.directory()}|7|100|linstor_un|stdin=${encoded}\n`,
      );
    },
  );

  test('5.8: the document is the sixth argument and the marker the seventh, both ways', async () => {
    const lab = makeLab({ disks });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.write('host1', 'vm.xml', '<VM/>');
    lab.script('var/remotes/tm/ceph/premigrate', recorder);
    const encoded = Buffer.from(vmXml(lab.vm)).toString('base64');
    const argv = [...lab.migration('host1', 'host2').argv, encoded];
    expect((await lab.run(premigrate, { name: 'premigrate', argv })).error).toBeUndefined();
    expect(lab.file('calls')).toBe(
      `${lab.remotes}/tm/ceph/premigrate|host1|host2|${lab.directory()}|7|100|${encoded}|linstor_un|stdin=\n`,
    );
    expect(lab.read('host2', 'vm.xml')).toBe('<VM/>');
    lab.write('host1', 'later', 'x');
    expect((await lab.run(premigrate, { name: 'premigrate', argv: [...argv, 'ssh'] })).error).toBeUndefined();
    expect(lab.read('host2', 'later')).toBeUndefined();
  });

  test('when the second of two fails, the first is told', async () => {
    const lab = makeLab({ disks: [...disks, { id: 3, kind: 'clone', image: 7, tmMad: 'qcow2' }] });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    for (const tm of ['ceph', 'qcow2'])
      lab.script(`var/remotes/tm/${tm}/failmigrate`, `echo ${tm} failmigrate >>"$LAB/calls"`);
    lab.script('var/remotes/tm/ceph/premigrate', 'echo ceph premigrate >>"$LAB/calls"');
    lab.script('var/remotes/tm/qcow2/premigrate', 'echo "ERROR: premigrate: no room" >&2; exit 3');
    const { error } = await step(lab, 'premigrate', 'host1', 'host2');
    expect(error?.code).toBe('HOST_COMMAND');
    expect(error?.message).toContain('tm/qcow2/premigrate failed with exit code 3');
    expect(error?.message).toContain('no room');
    expect(lab.file('calls').trim().split('\n')).toEqual([
      'ceph premigrate',
      'qcow2 failmigrate',
      'ceph failmigrate',
    ]);
    expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host3']);
  });

  test('a TM without the action is no failure', async () => {
    const lab = makeLab({ disks });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
    expect(lab.log.filter((line) => line.includes('ceph has no premigrate'))).toHaveLength(1);
  });

  test('a failing postmigrate of another TM does not keep ours from cleaning', async () => {
    const lab = makeLab({ disks });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1', 'host2'] });
    lab.linstor.setInUse(resource, 'host2', true);
    lab.script('var/remotes/tm/ceph/postmigrate', 'exit 1');
    const { error } = await step(lab, 'postmigrate', 'host1', 'host2');
    expect(error?.message).toContain('tm/ceph/postmigrate');
    expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
  });
});

describe.skipIf(!isolated)('the window that LINSTOR manages', () => {
  test('one that was never ended is ended by the next migration', async () => {
    const lab = makeLab({}, { managedDualPrimary: true });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.setInUse(resource, 'host1', true);
    lab.linstor.setWindow(resource, 'host3', 'host1');
    expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.window(resource)).toEqual({ source: 'host1', target: 'host2' });
    expect(lab.linstor.props(resource)).toEqual({});
  });

  test('a client older than the controller: the property does it', async () => {
    const lab = makeLab({}, { managedDualPrimary: true });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.setInUse(resource, 'host1', true);
    const tooOld = new DriverError('LINSTOR_UNSUPPORTED', 'this LINSTOR client cannot do live migration');
    lab.linstor.failures.set('makeAvailable', tooOld);
    expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.window(resource)).toBeUndefined();
    expect(lab.linstor.props(resource)).toEqual({ [dual]: 'yes' });
    moveVm(lab, [resource], 'host1', 'host2');
    lab.linstor.failures.set('unmakeAvailable', tooOld);
    expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.props(resource)).toEqual({});
    expect(lab.linstor.where(resource)).toEqual(['host2:diskless', 'host3']);
  });

  test('a satellite that does not hear of two primaries fails the premigrate', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.setInUse(resource, 'host1', true);
    lab.linstor.offline.add('host1');
    const { error } = await step(lab, 'premigrate', 'host1', 'host2');
    expect(error?.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(lab.linstor.props(resource)).toEqual({});
    expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host3']);
  });

  test('a diskless pool of the site’s own', async () => {
    const lab = makeLab({}, { managedDualPrimary: true, datastore: { DISKLESS_POOL: 'own' } });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.setInUse(resource, 'host1', true);
    expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.writes).toEqual([
      `createResource ${resource} host2 own`,
      `makeAvailable ${resource} host2 dual`,
    ]);
    expect(lab.linstor.window(resource)).toEqual({ source: 'host1', target: 'host2' });
  });

  test('a message about another VM, or without one, is refused', async () => {
    const lab = makeLab({});
    const { argv, stdin } = lab.migration('host1', 'host2');
    expect((await lab.run(premigrate, { name: 'premigrate', argv, stdin: '' })).error?.code).toBe(
      'BAD_MESSAGE',
    );
    const other = argv.with(3, '8');
    expect((await lab.run(postmigrate, { name: 'postmigrate', argv: other, stdin })).error?.code).toBe(
      'BAD_MESSAGE',
    );
    expect(lab.calls).toEqual([]);
  });
});

describe.skipIf(!isolated).each([{ managedDualPrimary: false }, { managedDualPrimary: true }])(
  'the window closes whatever else fails, managed by LINSTOR: %o',
  (options) => {
    const unreachable = new DriverError('LINSTOR_UNREACHABLE', 'no controller answers');
    const empty = new DriverError('LINSTOR_ERROR', 'HTTP 500 and no reason');
    const isOpen = (lab: MovingLab): boolean =>
      lab.linstor.props(resource)[dual] === 'yes' || lab.linstor.window(resource) !== undefined;

    async function opened(): Promise<MovingLab> {
      const lab = makeLab({}, options);
      lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
      lab.linstor.setInUse(resource, 'host1', true);
      lab.write('host1', 'one-7_VARS.fd', 'nvram');
      expect((await step(lab, 'premigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(isOpen(lab)).toBe(true);
      lab.linstor.writes.length = 0;
      return lab;
    }

    test.each(['postmigrate', 'failmigrate'] as const)('%s: no read is answered', async (name) => {
      const lab = await opened();
      if (name === 'postmigrate') moveVm(lab, [resource], 'host1', 'host2');
      for (const read of ['replicas', 'resources', 'nodes', 'definitions']) lab.linstor.down.set(read, empty);
      await step(lab, name, 'host1', 'host2');
      expect(isOpen(lab)).toBe(false);
    });

    test('the controller is away for a minute', async () => {
      const lab = await opened();
      moveVm(lab, [resource], 'host1', 'host2');
      for (const call of ['replicas', 'modifyDefinition', 'unmakeAvailable'])
        lab.linstor.down.set(call, unreachable);
      lab.onWait = (now) => {
        if (now > 60_000) lab.linstor.down.clear();
      };
      await step(lab, 'postmigrate', 'host1', 'host2');
      expect(isOpen(lab)).toBe(false);
    });

    test('oned does not tell the settings at first', async () => {
      const lab = await opened();
      moveVm(lab, [resource], 'host1', 'host2');
      lab.oneFailures.push(
        ...Array.from({ length: 4 }, () => new DriverError('ONE_UNREACHABLE', 'oned restarts')),
      );
      expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(isOpen(lab)).toBe(false);
    });

    test('a host that keeps its disk open by LINSTOR’s last word, until LINSTOR has given it up', async () => {
      const lab = await opened();
      lab.linstor.setInUse(resource, 'host2', true);
      lab.onWait = (now) => {
        // As with a satellite that was stopped: what it had said holds until the controller misses its pings.
        if (now > 12_000) lab.linstor.setInUse(resource, 'host1', false);
      };
      expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
      expect(isOpen(lab)).toBe(false);
    });

    test('what could not be closed in minutes is told with the way out, after a number of tries', async () => {
      const lab = await opened();
      moveVm(lab, [resource], 'host1', 'host2');
      for (const call of ['modifyDefinition', 'unmakeAvailable']) lab.linstor.down.set(call, unreachable);
      const { error } = await step(lab, 'postmigrate', 'host1', 'host2');
      expect(error?.code).toBe('LINSTOR_UNREACHABLE');
      expect(error?.message).toContain(`two primaries of ${resource} could not be forbidden`);
      expect(error?.remedy).toContain(`linstor resource-definition set-property ${resource} ${dual} no`);
      const tries = lab.linstor.writes.filter((write) => write.startsWith('modifyDefinition')).length;
      expect(tries).toBeGreaterThan(20);
      expect(tries).toBeLessThan(60);
    });
  },
);

describe.skipIf(!isolated)('the window', () => {
  const clones = { disks: [{ id: 0, kind: 'clone' as const }] };

  function running(lab: MovingLab): void {
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
    lab.linstor.setInUse(resource, 'host1', true);
    lab.write('host1', 'one-7_VARS.fd', 'nvram');
  }

  test('opens when everything else is ready, and is the first thing to close', async () => {
    const lab = makeLab({ disks: [...clones.disks, { id: 1, kind: 'clone', image: 9, tmMad: 'ceph' }] });
    running(lab);
    const seen: (string | undefined)[] = [];
    lab.script('var/remotes/tm/ceph/premigrate', 'echo premigrate >>"$LAB/calls"');
    lab.script('var/remotes/tm/ceph/postmigrate', 'echo postmigrate >>"$LAB/calls"');
    lab.linstor.onWrite = (write) => {
      if (write.includes(dual))
        seen.push(`${write.split(' ').at(-1)} after ${lab.file('calls').trim() || 'nothing'}`);
    };
    await step(lab, 'premigrate', 'host1', 'host2');
    moveVm(lab, [resource], 'host1', 'host2');
    await step(lab, 'postmigrate', 'host1', 'host2');
    expect(seen).toEqual([`${dual}=yes after premigrate`, `-${dual} after premigrate`]);
    const closing = lab.linstor.writes.findIndex((write) => write.endsWith(`-${dual}`));
    expect(lab.linstor.writes.slice(closing + 1)).toEqual([`deleteResource ${resource} host1`]);
  });

  test('never opens when another TM refuses the migration', async () => {
    const lab = makeLab({ disks: [...clones.disks, { id: 1, kind: 'clone', image: 9, tmMad: 'ceph' }] });
    running(lab);
    lab.script('var/remotes/tm/ceph/premigrate', 'exit 7');
    lab.script('var/remotes/tm/ceph/failmigrate', 'exit 0');
    expect((await step(lab, 'premigrate', 'host1', 'host2')).error?.code).toBe('HOST_COMMAND');
    expect(lab.linstor.writes.filter((write) => write.includes(dual))).toEqual([]);
  });

  test('a satellite that failed to apply it is told again: with what changes something', async () => {
    const lab = makeLab(clones);
    running(lab);
    await step(lab, 'premigrate', 'host1', 'host2');
    moveVm(lab, [resource], 'host1', 'host2');
    lab.linstor.writes.length = 0;
    lab.linstor.failures.set(`modifyDefinition ${resource}`, refusal(`modify ${resource}`, 998));
    expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.writes).toEqual([
      `modifyDefinition ${resource} -${dual}`,
      `modifyDefinition ${resource} ${dual}=no`,
      `deleteResource ${resource} host1`,
    ]);
  });

  test('a late answer to what was done is not waited for again', async () => {
    const lab = makeLab(clones);
    running(lab);
    await step(lab, 'premigrate', 'host1', 'host2');
    moveVm(lab, [resource], 'host1', 'host2');
    lab.linstor.writes.length = 0;
    lab.linstor.onWrite = (write) => {
      if (!write.endsWith(`-${dual}`)) return;
      lab.linstor.forgetProp(resource, dual);
      throw new ReplyLost(`PUT ${resource}`, 'none in time', { late: true });
    };
    expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
    expect(lab.linstor.writes.filter((write) => write.includes(dual))).toHaveLength(1);
  });

  test('a definition that is gone has no window', async () => {
    const lab = makeLab(clones);
    expect((await step(lab, 'postmigrate', 'host1', 'host2')).error).toBeUndefined();
  });
});

describe.skipIf(!isolated)('a window that was left open', () => {
  const left = { props: { [dual]: 'yes' } };
  const image = 'one-image-5';
  const at = (lab: MovingLab, host: string, id = 0) => `${host}:${lab.location}/100/7/disk.${id}`;

  test.each([
    ['ln', ln, 'PROLOG', (lab: MovingLab) => [`fe:/dev/drbd/by-res/${image}/0`, at(lab, 'host1'), '7', '1']],
    ['mv', mv, 'PROLOG_MIGRATE', (lab: MovingLab) => [at(lab, 'host1'), at(lab, 'host2'), '7', '1']],
    ['mvds', mvds, 'EPILOG', (lab: MovingLab) => [at(lab, 'host1'), `/dev/drbd/by-res/${image}/0`, '7', '1']],
    ['delete', deleteDisk, 'EPILOG', (lab: MovingLab) => [at(lab, 'host1'), '7', '1']],
    ['resize', resize, 'DISK_RESIZE', (lab: MovingLab) => [at(lab, 'host1'), '64', '7', '1']],
  ] as const)('is closed by the next action on the disk: %s', async (name, handler, lcm, argv) => {
    const lab = makeLab({ lcm, disks: [{ id: 0, kind: 'persistent', image: 5 }] });
    lab.linstor.add(image, ['host3'], { diskless: ['host1'], ...left });
    await lab.link('host1', 'disk.0', lab.device(image));
    await lab.run(handler, { name, argv: argv(lab) });
    expect(lab.linstor.props(image)[dual]).toBeUndefined();
    expect(
      lab.log.filter((line) => line.includes('two primaries of one-image-5 were still allowed')),
    ).toHaveLength(1);
  });

  test('is closed before the VM starts', async () => {
    const lab = makeLab({ lcm: 'BOOT_POWEROFF' });
    lab.script('var/remotes/tm/common/context', 'exit 0');
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'], ...left });
    await lab.link('host1', 'disk.0', lab.device(resource));
    const argv = ['context.sh', `host1:${lab.location}/100/7/disk.5`, '7', '100'];
    expect((await lab.run(context, { name: 'context', argv })).error).toBeUndefined();
    expect(lab.linstor.props(resource)[dual]).toBeUndefined();
  });

  const monitoring = (lab: MovingLab, definitions?: ResourceDefinition[]) =>
    closeLeftWindows(lab.context(), lab.linstor, {
      prefix: '',
      ...(definitions ? { known: Promise.resolve(definitions) } : {}),
    });

  test('is closed by monitoring, which asks no satellite for it', async () => {
    const lab = makeLab({ lcm: 'RUNNING' });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'], ...left });
    lab.linstor.setInUse(resource, 'host1', true);
    lab.linstor.down.set('resources', new Error('a satellite hangs'));
    await monitoring(lab);
    expect(lab.linstor.props(resource)[dual]).toBeUndefined();
    expect(lab.log.filter((line) => line.startsWith('warn'))).toHaveLength(1);
  });

  test.each([
    ['of a migration in progress', { lcm: 'MIGRATE' }, resource, {}],
    ['of a VM that OpenNebula does not have', { lcm: 'RUNNING' }, 'one-vm-8-disk-0', {}],
    ['of a disk that the VM does not have', { lcm: 'RUNNING' }, 'one-vm-7-disk-3', {}],
    ['of a shareable image', { disks: [{ id: 0, kind: 'shareable', image: 5 }] }, image, {}],
    ['of somebody else’s resource', { lcm: 'RUNNING' }, 'vm-100-disk-1', {}],
  ] as const)('%s: none, and monitoring leaves it', async (_, vm, name, props) => {
    const lab = makeLab({ lcm: 'RUNNING', ...vm } as Partial<VmSpec>);
    lab.linstor.add(name, ['host3'], { diskless: ['host1'], props: { ...left.props, ...props } });
    await monitoring(lab);
    expect(lab.linstor.props(name)[dual]).toBe('yes');
    expect(lab.linstor.writes).toEqual([]);
  });

  test('open on two hosts: told, and left for a person to decide', async () => {
    const lab = makeLab({ lcm: 'RUNNING' });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1', 'host2'], ...left });
    for (const host of ['host1', 'host2']) lab.linstor.setInUse(resource, host, true);
    await monitoring(lab);
    expect(lab.linstor.props(resource)[dual]).toBe('yes');
    expect(lab.log.join()).toContain('open on host1 and host2 at once');
  });

  test('the migration that began meanwhile keeps its window', async () => {
    const lab = makeLab({ lcm: 'RUNNING' });
    lab.linstor.add(resource, ['host3'], { diskless: ['host1'], ...left });
    const stale = await lab.linstor.definitions();
    lab.vm = { ...lab.vm, lcm: 'MIGRATE' };
    await monitoring(lab, stale);
    expect(lab.linstor.props(resource)[dual]).toBe('yes');
  });

  test('monitoring fails for nothing of it', async () => {
    const lab = makeLab({ lcm: 'RUNNING' });
    lab.linstor.add(resource, ['host3'], left);
    lab.linstor.down.set('definitions', new DriverError('LINSTOR_UNREACHABLE', 'nobody answers'));
    await monitoring(lab);
    lab.linstor.down.clear();
    lab.linstor.down.set('modifyDefinition', new DriverError('LINSTOR_UNREACHABLE', 'nobody answers'));
    await monitoring(lab);
    expect(lab.log.filter((line) => line.startsWith('warn'))).toHaveLength(2);
    // One try in each round: the next is a minute away.
    expect(lab.linstor.writes).toHaveLength(1);
  });
});
