import { afterEach, describe, expect, test } from 'bun:test';
import { RelayedFailure } from '../../../src/actions/foreign-script.ts';
import { context } from '../../../src/actions/tm/context.ts';
import { DriverError } from '../../../src/errors.ts';
import { noteUnfinished } from '../../../src/hosts/vm-directory.ts';
import { isolated, MovingLab, type MovingLabOptions, type VmSpec } from '../../support/moving-lab.ts';

const labs: MovingLab[] = [];
afterEach(() => {
  for (const lab of labs.splice(0)) lab.remove();
});

const resource = 'one-vm-7-disk-0';
const recorder = 'printf "%s|" "$0" "$@" >>"$LAB/calls"; echo >>"$LAB/calls"';

function makeLab(vm: Partial<VmSpec>, options: Partial<MovingLabOptions> = {}): MovingLab {
  const lab = new MovingLab({
    vm: { id: 7, lcm: 'BOOT_POWEROFF', disks: [{ id: 0, kind: 'clone' }], ...vm },
    ...options,
  });
  labs.push(lab);
  lab.script('var/remotes/tm/common/context', recorder);
  return lab;
}

const argvOf = (lab: MovingLab): string[] => [
  '/var/lib/one/vms/7/context.sh',
  "one-image-3:'ctxf'",
  `host1:${lab.location}//100/7/disk.5`,
  '7',
  '100',
];
const run = (lab: MovingLab) => lab.run(context, { name: 'context', argv: argvOf(lab) });

describe.skipIf(!isolated)('context', () => {
  test('hands its arguments on as they are', async () => {
    const lab = makeLab({ lcm: 'HOTPLUG_NIC' });
    expect(await run(lab)).toEqual({ reply: undefined });
    expect(lab.file('calls')).toBe(`${[`${lab.remotes}/tm/common/context`, ...argvOf(lab)].join('|')}|\n`);
    // A running VM's disks are not looked at.
    expect(lab.linstor.reads).toBe(0);
    expect(lab.calls).toEqual(['local frontend tm/common/context']);
  });

  test('takes tm/ssh/context where tm/common has none', async () => {
    const lab = makeLab({ lcm: 'HOTPLUG_NIC' });
    Bun.spawnSync(['rm', `${lab.remotes}/tm/common/context`]);
    lab.script('var/remotes/tm/ssh/context', recorder);
    expect((await run(lab)).error).toBeUndefined();
    expect(lab.file('calls')).toStartWith(`${lab.remotes}/tm/ssh/context|`);
    Bun.spawnSync(['rm', `${lab.remotes}/tm/ssh/context`]);
    expect((await run(lab)).error?.message).toContain('tm/common/context');
  });

  test.each([
    [
      '7.x',
      'echo "ERROR: context: command failed" >&2; echo "Error creating iso fs" >&2; exit 255',
      'Error creating iso fs',
    ],
    [
      '5.8',
      'printf "ERROR: context: it\\nERROR MESSAGE --8<------\\nError creating iso fs\\nERROR MESSAGE ------>8--\\n" >&2; exit 1',
      'Error creating iso fs',
    ],
    ['only log lines', 'echo "ERROR: context: no xorriso" >&2; exit 3', 'context: no xorriso'],
  ])('a failure’s exit code and text are passed on (%s)', async (_, script, text) => {
    const lab = makeLab({ lcm: 'HOTPLUG_NIC' });
    lab.script('var/remotes/tm/common/context', script);
    const { error } = await run(lab);
    expect(error).toBeInstanceOf(RelayedFailure);
    if (!(error instanceof RelayedFailure)) throw new Error('unreachable');
    expect(error.driverExitCode).toBe(Number(/exit (\d+)/.exec(script)?.[1]));
    expect(error.message).toContain(text);
    expect(error.message).not.toContain('--8<');
  });

  test('another VM’s directory is refused', async () => {
    const lab = makeLab({});
    const { error } = await lab.run(context, {
      name: 'context',
      argv: ['x', `host1:${lab.location}/100/8/disk.5`, '7', '100'],
    });
    expect(error?.code).toBe('BAD_ARGUMENT');
    expect(lab.file('calls')).toBe('');
  });
});

describe.skipIf(!isolated)('context before a boot', () => {
  const bootStates = [
    'BOOT',
    'BOOT_UNKNOWN',
    'BOOT_POWEROFF',
    'BOOT_SUSPENDED',
    'BOOT_STOPPED',
    'BOOT_UNDEPLOY',
    'BOOT_MIGRATE',
  ] as const;

  test.each(bootStates)(
    '%s: all is well – three LINSTOR calls that ask no satellite, one ssh, nothing changed',
    async (lcm) => {
      const lab = makeLab({ lcm });
      lab.linstor.add(resource, ['host3'], { diskless: ['host1'] });
      await lab.link('host1', 'disk.0', lab.device(resource));
      lab.linstor.down.set('resources', new Error('a satellite hangs'));
      expect((await run(lab)).error).toBeUndefined();
      expect(lab.linstor.reads).toBe(3);
      expect(lab.linstor.writes).toEqual([]);
      expect(lab.calls.toSorted()).toEqual(['local frontend tm/common/context', 'ssh host1 check-disk']);
    },
  );

  test('a disk that was detached by hand is attached again', async () => {
    const lab = makeLab({
      disks: [
        { id: 0, kind: 'clone' },
        { id: 1, kind: 'persistent', image: 5 },
      ],
    });
    lab.linstor.add(resource, ['host3']);
    lab.linstor.add('one-image-5', ['host1', 'host3']);
    await lab.link('host1', 'disk.0', lab.device(resource));
    await lab.link('host1', 'disk.1', lab.device('one-image-5'));
    expect((await run(lab)).error).toBeUndefined();
    expect(lab.linstor.writes).toEqual([`makeAvailable ${resource} host1`]);
    expect(lab.linstor.where(resource)).toEqual(['host1:diskless', 'host3']);
    expect(lab.file('calls')).not.toBe('');
  });

  test('a link that leads to another device since the host’s reboot is put right', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host1'], { layers: ['STORAGE'] });
    lab.linstor.add('one-vm-9-disk-0', ['host1'], { layers: ['STORAGE'] });
    await lab.link('host1', 'disk.0', lab.device('one-vm-9-disk-0'));
    expect((await run(lab)).error).toBeUndefined();
    expect(lab.read('host1', 'disk.0')).toBe(`-> ${lab.device(resource)}`);
  });

  test('a missing link is made', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host1']);
    expect((await run(lab)).error).toBeUndefined();
    expect(lab.read('host1', 'disk.0')).toBe(`-> ${lab.device(resource)}`);
  });

  test('plain storage of another node: refused, nothing made', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host2'], { layers: ['STORAGE'] });
    const { error } = await run(lab);
    expect(error?.code).toBe('NOT_REACHABLE_FROM_HOST');
    expect(lab.linstor.inventedVolumes).toEqual([]);
    expect(lab.linstor.writes).toEqual([]);
  });

  test('LINSTOR away: no obstacle while the devices are certainly there', async () => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host1']);
    await lab.link('host1', 'disk.0', lab.device(resource));
    lab.linstor.down.set('replicas', new DriverError('LINSTOR_UNREACHABLE', 'no controller answers'));
    expect((await run(lab)).error).toBeUndefined();
    expect(lab.log.filter((line) => line.startsWith('warn: LINSTOR cannot be asked'))).toHaveLength(1);
    expect(lab.file('calls')).not.toBe('');
  });

  // The guest would lose what it writes into the new part, or find a part of a backup on its disk.
  test.each([
    ['growing', 'resize'],
    ['restoring', 'restore'],
  ] as const)('LINSTOR away, and a disk that is %s: not started', async (note, what) => {
    const lab = makeLab({});
    lab.linstor.add(resource, ['host1']);
    await lab.link('host1', 'disk.0', lab.device(resource));
    const disk = { link: `${lab.directory()}/disk.0`, resource };
    const noted = (): string | undefined => lab.read('host1', `.${note}-${resource}`);
    await noteUnfinished(lab.context().hosts, 'host1', [disk], note, true);
    expect(noted()).toBe('');
    for (const read of ['replicas', 'definitions'])
      lab.linstor.down.set(read, new DriverError('LINSTOR_UNREACHABLE', 'no controller answers'));
    const { error } = await run(lab);
    expect(error?.code).toBe('LINSTOR_UNREACHABLE');
    expect(error?.message).toContain(`a ${what} of disk 0 (${resource}) was interrupted`);
    lab.linstor.down.clear();
    expect((await run(lab)).error).toBeUndefined();
    expect(noted()).toBeUndefined();
  });

  test.each(['missing', 'ambiguous'] as const)(
    'LINSTOR away and a device %s: fails with LINSTOR’s error',
    async (what) => {
      const lab = makeLab({});
      lab.linstor.add(resource, ['host1']);
      const loop = `${lab.location}/dev/loop5`;
      if (what === 'ambiguous') {
        await lab.link('host1', 'disk.0', loop);
        await Bun.write(`${lab.dir}/hosts/host1/datastores/dev/loop5`, 'some device');
      }
      lab.linstor.down.set('replicas', new DriverError('LINSTOR_UNREACHABLE', 'no controller answers'));
      const { error } = await run(lab);
      expect(error?.code).toBe('LINSTOR_UNREACHABLE');
      expect(error?.message).toContain(`disk 0 (${resource})`);
    },
  );

  test('disks of other TMs are none of our business', async () => {
    const lab = makeLab({ disks: [{ id: 0, kind: 'clone', tmMad: 'ceph' }] });
    expect((await run(lab)).error).toBeUndefined();
    expect(lab.calls).toEqual(['local frontend tm/common/context']);
  });
});
