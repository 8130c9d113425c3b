import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { keptText } from '../../src/cli/kept-in-linstor.ts';
import { runCli } from '../../src/cli/main.ts';
import { DriverError } from '../../src/errors.ts';
import { applyPlan } from '../../src/install/apply.ts';
import { layoutOf } from '../../src/install/layout.ts';
import { planInstallation } from '../../src/install/plan.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { writeTrash } from '../../src/volumes/trash.ts';
import { execrc, FrontEnd, onedConf } from '../install/fixtures.ts';
import { definition, now, World } from './world.ts';

let frontEnd: FrontEnd;
let world: World;

beforeEach(() => {
  frontEnd = new FrontEnd();
  frontEnd.write('/one/etc/oned.conf', onedConf, 0o640);
  frontEnd.write('/one/etc/vmm_exec/vmm_execrc', execrc);
  frontEnd.write('/one/var/remotes/VERSION', '7.0.0\n');
  const layout = layoutOf({ oneLocation: frontEnd.path('/one') });
  applyPlan(layout, planInstallation(layout, frontEnd.binary, undefined).steps, '2.0.0', new Date(0));
  world = new World();
  world.env = { ONE_LOCATION: frontEnd.path('/one') };
});
afterEach(() => frontEnd.remove());

const uninstall = (...more: string[]): Promise<number> => runCli(['uninstall', ...more], world.environment());

describe('uninstall says what stays in LINSTOR', () => {
  test('images, disks of VMs, others and the trash, each volume once; foreign ones do not count', async () => {
    world.definitions.push(
      definition('one-vm-7-disk-1'),
      definition('one-vm-7-checkpoint'),
      definition('one-image-9', { props: {} }),
      definition('pvc-4711'),
    );
    await writeTrash(world.linstor(), '', {
      kind: 'image',
      resource: resourceName('one-image-9'),
      since: now,
      until: now,
      reason: 'image deleted',
      name: 'gone',
      type: 0,
      persistent: false,
      yields: false,
      mark: '',
    });
    expect(await uninstall('--dry-run')).toBe(0);
    expect(world.text).toContain(
      'Stays in LINSTOR: 1 image, 2 VM disks, 1 other volume, 1 volume in the trash; the trash is emptied by “linstor_un trash empty”, before.\n',
    );
    world.out.length = 0;
    expect(await uninstall('--yes', '--json')).toBe(0);
    expect(JSON.parse(world.text)).toMatchObject({
      applied: true,
      left: [],
      linstor: { images: 1, disks: 2, others: 1, trash: 1 },
    });
    expect(world.writes).toEqual([]);
  });

  test('LINSTOR that is away, and a broken configuration, keep nobody from it', async () => {
    world.linstorError = new DriverError('LINSTOR_UNREACHABLE', 'no controller');
    expect(await uninstall('--dry-run')).toBe(0);
    expect(world.text).toContain('What stays in LINSTOR is not known');
    world.linstorError = undefined;
    world.configError = new DriverError('BAD_CONFIG', 'line 3');
    world.out.length = 0;
    expect(await uninstall('--yes', '--json')).toBe(0);
    const document = JSON.parse(world.text);
    expect(document).toMatchObject({ applied: true, left: [] });
    expect(document.datastores).toHaveLength(2);
    expect(document).not.toHaveProperty('linstor');
  });

  test('nothing is said, too', () => {
    expect(keptText({ images: 0, disks: 0, others: 0, trash: 0 })).toBe(
      'Nothing of the driver stays in LINSTOR.',
    );
  });
});
