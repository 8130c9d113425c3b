import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { actions, installedNames } from '../../src/actions/registry.ts';
import { applyPlan } from '../../src/install/apply.ts';
import { type Layout, layoutOf } from '../../src/install/layout.ts';
import { readManifest } from '../../src/install/manifest.ts';
import { type Plan, planInstallation } from '../../src/install/plan.ts';
import { ioClassAttributes } from '../../src/install/registration.ts';
import { planRemoval, remove } from '../../src/install/remove.ts';
import { execrc, FrontEnd, onedConf } from './fixtures.ts';

let frontEnd: FrontEnd;
let layout: Layout;

beforeEach(() => {
  frontEnd = new FrontEnd();
  layout = layoutOf({ root: frontEnd.root });
});
afterEach(() => frontEnd.remove());

function install(): Plan {
  const plan = planInstallation(layout, frontEnd.binary, readManifest(layout));
  applyPlan(layout, plan.steps, '2.0.0', new Date(0));
  return plan;
}

function uninstall(purge = false): string[] {
  const manifest = readManifest(layout);
  if (!manifest) throw new Error('nothing is installed');
  return remove(layout, planRemoval(layout, manifest, { purge }));
}

const names = actions.flatMap((action) => installedNames(action));

describe('installing', () => {
  test('a link for each action, all to one small launcher inside remotes', () => {
    install();
    const launcher = frontEnd.path(layout.launcher);
    for (const action of actions) {
      const folder = action.kind === 'vmm' ? 'vmm/kvm' : `${action.kind}/linstor_un`;
      for (const name of installedNames(action)) {
        expect(realpathSync(frontEnd.path(`/var/lib/one/remotes/${folder}/${name}`))).toBe(
          realpathSync(launcher),
        );
      }
    }
    expect(statSync(launcher).size).toBeLessThan(1400);
    expect(statSync(launcher).mode & 0o777).toBe(0o755);
    expect(names.length).toBeGreaterThan(30);
  });

  test('what a host gets by a sync with links followed stays small', () => {
    install();
    const copied = Bun.spawnSync([
      'cp',
      '-rL',
      frontEnd.path('/var/lib/one/remotes'),
      frontEnd.path('/host'),
    ]);
    expect(copied.exitCode).toBe(0);
    const files = (readdirSync(frontEnd.path('/host'), { recursive: true }) as string[]).map((name) =>
      lstatSync(frontEnd.path(`/host/${name}`)),
    );
    expect(files.filter((stat) => stat.isFile()).reduce((sum, stat) => sum + stat.size, 0)).toBeLessThan(
      64 * 1024,
    );
  });

  test('the launcher passes kind, name and arguments on as they are', () => {
    install();
    const call = (path: string, args: string[], cwd = '/'): string =>
      Bun.spawnSync([path, ...args], { cwd }).stdout.toString();
    expect(call(frontEnd.path('/var/lib/one/remotes/tm/linstor_un/clone'), ['a b', '', '*'])).toBe(
      'tm|clone|a b||*|',
    );
    expect(call(frontEnd.path('/var/lib/one/remotes/tm/linstor_un/clone.ssh'), [])).toBe('tm|clone.ssh|');
    expect(call(frontEnd.path('/var/lib/one/remotes/datastore/linstor_un/cp'), ['7'])).toBe(
      'datastore|cp|7|',
    );
    expect(call(frontEnd.path('/var/lib/one/remotes/vmm/kvm/save_linstor_un'), ['x'])).toBe(
      'vmm|save_linstor_un|x|',
    );
    expect(call('./clone', ['y'], frontEnd.path('/var/lib/one/remotes/datastore/linstor_un'))).toBe(
      'datastore|clone|y|',
    );
  });

  test.if(process.arch === 'x64')('a processor that the program cannot run on is told in words', () => {
    install();
    const launcher = frontEnd.path(layout.launcher);
    writeFileSync(
      launcher,
      readFileSync(launcher, 'utf8').replace('/proc/cpuinfo', frontEnd.path('/cpuinfo')),
    );
    const run = (flags: string): string => {
      writeFileSync(frontEnd.path('/cpuinfo'), `processor\t: 0\nmodel name\t: any\nflags\t\t: ${flags}\n`);
      const { stdout, stderr, exitCode } = Bun.spawnSync(
        [frontEnd.path('/var/lib/one/remotes/tm/linstor_un/clone'), 'x'],
        {
          stderr: 'pipe',
        },
      );
      return `${exitCode} ${stdout.toString()}${stderr.toString()}`;
    };
    expect(run('fpu sse2 sse4_1 sse4_2 popcnt')).toBe('0 tm|clone|x|');
    expect(run('fpu sse2 cx16 hypervisor')).toStartWith('1 linstor_un: this machine');
  });

  test('on a host, without the binary, the launcher says so and fails', () => {
    install();
    Bun.spawnSync(['cp', '-rL', frontEnd.path('/var/lib/one/remotes'), frontEnd.path('/host')]);
    const run = Bun.spawnSync([frontEnd.path('/host/tm/linstor_un/clone'), 'x']);
    expect(run.exitCode).toBe(1);
    expect(run.stderr.toString()).toContain('/usr/lib/one/linstor_un/linstor_un is not on this machine');
    expect(run.stderr.toString().trim().split('\n')).toHaveLength(1);
  });

  test('binary, command, configuration and the two edited files', () => {
    install();
    expect(statSync(frontEnd.path(layout.binary)).mode & 0o777).toBe(0o755);
    expect(frontEnd.snapshot()['usr/bin/linstor_un']).toBe('link /usr/lib/one/linstor_un/linstor_un');
    expect(frontEnd.read(layout.config)).toContain('#TRANSPORT=rest');
    expect(frontEnd.read('/etc/one/oned.conf')).toContain('shared,ssh,linstor_un"');
    expect(statSync(frontEnd.path('/etc/one/oned.conf')).mode & 0o777).toBe(0o640);
    expect(frontEnd.read('/etc/one/vmm_exec/vmm_execrc')).toContain('kvm-linstor_un qemu-linstor_un"');
    expect(frontEnd.read(`${layout.backups}/etc/one/oned.conf`)).toBe(onedConf);
  });

  test('again: no step is left', () => {
    install();
    const before = frontEnd.snapshot();
    expect(planInstallation(layout, frontEnd.binary, readManifest(layout)).steps).toEqual([]);
    install();
    delete before['usr/lib/one/linstor_un/install.json'];
    expect(frontEnd.snapshot()).toMatchObject(before);
  });

  test('planning changes nothing', () => {
    const before = frontEnd.snapshot();
    const plan = planInstallation(layout, frontEnd.binary, undefined);
    expect(plan.steps.filter((step) => step.do === 'edit').map((step) => step.path)).toEqual([
      '/etc/one/oned.conf',
      '/etc/one/vmm_exec/vmm_execrc',
    ]);
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('a configuration that is there stays', () => {
    frontEnd.write(layout.config, 'STAGING_DIR=/big\n', 0o600);
    install();
    expect(frontEnd.read(layout.config)).toBe('STAGING_DIR=/big\n');
    uninstall();
    expect(frontEnd.read(layout.config)).toBe('STAGING_DIR=/big\n');
  });

  test('a broken link is laid anew, a lost binary too', () => {
    install();
    frontEnd.write('/usr/lib/one/linstor_un/linstor_un', 'damaged', 0o755);
    Bun.spawnSync(['ln', '-sfn', '/nowhere', frontEnd.path('/var/lib/one/remotes/tm/linstor_un/ln')]);
    const plan = install();
    // The link is somebody's: it is set aside before ours is laid.
    expect(plan.steps.map((step) => `${step.do} ${step.path}`)).toEqual([
      'set-aside /var/lib/one/remotes/tm/linstor_un/ln',
      'binary /usr/lib/one/linstor_un/linstor_un',
      'link /var/lib/one/remotes/tm/linstor_un/ln',
    ]);
  });

  test('a linked oned.conf is edited where it lies', () => {
    frontEnd.write('/srv/oned.conf', onedConf, 0o600);
    Bun.spawnSync(['ln', '-sfn', frontEnd.path('/srv/oned.conf'), frontEnd.path('/etc/one/oned.conf')]);
    install();
    expect(lstatSync(frontEnd.path('/etc/one/oned.conf')).isSymbolicLink()).toBe(true);
    expect(frontEnd.read('/srv/oned.conf')).toContain('linstor_un');
    uninstall();
    expect(frontEnd.read('/srv/oned.conf')).toBe(onedConf);
  });

  test('self-contained installations', () => {
    frontEnd.write('/opt/one/etc/oned.conf', onedConf);
    frontEnd.write('/opt/one/etc/vmm_exec/vmm_execrc', execrc);
    frontEnd.write('/opt/one/var/remotes/VERSION', '7.0.0');
    const before = frontEnd.snapshot();
    layout = layoutOf({ root: frontEnd.root, oneLocation: '/opt/one' });
    install();
    expect(
      Bun.spawnSync([frontEnd.path('/opt/one/var/remotes/tm/linstor_un/mv'), 'z']).stdout.toString(),
    ).toBe('tm|mv|z|');
    expect(frontEnd.read('/opt/one/etc/oned.conf')).toContain('linstor_un');
    expect(frontEnd.read('/etc/one/oned.conf')).toBe(onedConf);
    uninstall();
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('without OpenNebula it refuses and leaves nothing behind', () => {
    Bun.spawnSync(['rm', frontEnd.path('/etc/one/oned.conf')]);
    const before = frontEnd.snapshot();
    expect(() => planInstallation(layout, frontEnd.binary, undefined)).toThrow(
      'front-end is not installed here',
    );
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('a step that fails takes the others back', () => {
    const plan = planInstallation(layout, frontEnd.binary, undefined);
    const before = frontEnd.snapshot();
    const broken = { do: 'file', path: '/etc/one/oned.conf/impossible', content: '', mode: 0o644 } as const;
    expect(() => applyPlan(layout, [...plan.steps, broken], '2.0.0', new Date(0))).toThrow(
      'the installation failed',
    );
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('says which attributes tenants could write', () => {
    expect(install().conflicts).toEqual([]);
    frontEnd.write('/etc/one/oned.conf', onedConf.replaceAll(/^.*_RESTRICTED_ATTR = .*$/gm, ''), 0o640);
    const { conflicts } = planInstallation(layout, frontEnd.binary, undefined);
    expect(conflicts).toHaveLength(2);
    expect(conflicts[0]).toContain('IMAGE_RESTRICTED_ATTR = "SOURCE"');
    expect(conflicts[1]).toContain('VM_RESTRICTED_ATTR = "DISK/SOURCE"');
  });

  test('classes of service that tenants could choose are told, and only where classes are wanted', () => {
    const plan = (ioClasses: boolean) => planInstallation(layout, frontEnd.binary, undefined, { ioClasses });
    expect(plan(false).conflicts).toEqual([]);
    expect(plan(true).conflicts.join()).toContain('VM_RESTRICTED_ATTR lacks DISK/TOTAL_BYTES_SEC');
    const closed = ioClassAttributes.map((name) => `VM_RESTRICTED_ATTR = "DISK/${name}"`).join('\n');
    frontEnd.write('/etc/one/oned.conf', `${onedConf}${closed}\n`, 0o640);
    expect(plan(true).conflicts).toEqual([]);
  });

  test('one of several front-ends is recognised', () => {
    expect(planInstallation(layout, frontEnd.binary, undefined).highAvailability).toBe(false);
    frontEnd.write('/etc/one/oned.conf', onedConf.replace('SERVER_ID     = -1', 'SERVER_ID     = 2'));
    expect(planInstallation(layout, frontEnd.binary, undefined).highAvailability).toBe(true);
  });
});

describe('uninstalling', () => {
  test('gives back the very tree', () => {
    const before = frontEnd.snapshot();
    install();
    expect(frontEnd.snapshot()).not.toEqual(before);
    expect(uninstall()).toEqual([]);
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('files that were edited since lose only what is ours', () => {
    install();
    const change = (text: string): string => text.replace('PORT = 2633', 'PORT = 2700');
    frontEnd.write('/etc/one/oned.conf', change(frontEnd.read('/etc/one/oned.conf')), 0o640);
    uninstall();
    expect(frontEnd.read('/etc/one/oned.conf')).toBe(change(onedConf));
  });

  test('an upgrade over an edited file still comes back to it', () => {
    install();
    const change = (text: string): string => text.replace('PORT = 2633', 'PORT = 2700');
    const edited = change(frontEnd.read('/etc/one/oned.conf')).replace(
      'DATASTORE_ENCRYPTED_ATTR = "LS_TOKEN"\n',
      '',
    );
    frontEnd.write('/etc/one/oned.conf', edited, 0o640);
    expect(install().steps.map((step) => step.do)).toEqual(['edit']);
    expect(frontEnd.read('/etc/one/oned.conf')).toContain('LS_TOKEN');
    uninstall();
    expect(frontEnd.read('/etc/one/oned.conf')).toBe(change(onedConf));
  });

  test('a changed configuration is kept unless purged', () => {
    install();
    frontEnd.write(layout.config, 'TRANSPORT=cli\n');
    uninstall();
    expect(frontEnd.read(layout.config)).toBe('TRANSPORT=cli\n');
  });

  test('purge removes it', () => {
    const before = frontEnd.snapshot();
    install();
    frontEnd.write(layout.config, 'TRANSPORT=cli\n');
    uninstall(true);
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('a link that leads elsewhere by now is left', () => {
    install();
    Bun.spawnSync(['ln', '-sfn', '/elsewhere', frontEnd.path('/var/lib/one/remotes/tm/linstor_un/ln')]);
    const manifest = readManifest(layout);
    expect(planRemoval(layout, manifest ?? { entries: [] }, { purge: false })).toContainEqual({
      do: 'keep',
      path: '/var/lib/one/remotes/tm/linstor_un/ln',
      why: 'it was replaced since by something else',
    });
  });
});

describe('taking over from the bash driver', () => {
  const folder = '/var/lib/one/remotes';

  function layBashDriver(base = folder): void {
    for (const name of ['clone', 'cp', 'monitor', 'rm', 'stat'])
      frontEnd.write(`${base}/datastore/linstor_un/${name}`, '#!/bin/bash\n# old\n', 0o755);
    frontEnd.write(`${base}/datastore/linstor_un/linstor_utils.sh`, 'linstor_load_keys() { :; }\n');
    for (const name of ['clone', 'context', 'delete', 'ln'])
      frontEnd.write(`${base}/tm/linstor_un/${name}`, '#!/bin/bash\n# old\n', 0o755);
    for (const name of ['save_linstor_un', 'restore_linstor_un'])
      frontEnd.write(`${folder}/vmm/kvm/${name}`, '#!/bin/bash\n', 0o755);
  }

  test('its files make room, its configuration stays, and all comes back', () => {
    layBashDriver();
    frontEnd.write(layout.config, '# mine\nSTAGING_DIR=/big\nDD_CONV=sparse\nJQ=jq\nLS_TOKEN=abc\n', 0o640);
    frontEnd.write(`${folder}/tm/linstor_un/README.mine`, 'x');
    const before = frontEnd.snapshot();
    const plan = install();
    expect(plan.bashDriver).toBe(true);
    expect(plan.config?.kept).toEqual(['STAGING_DIR=/big', 'LS_TOKEN=…']);
    expect(plan.config?.withoutEffect.map((line) => line.split(':')[0])).toEqual(['DD_CONV', 'JQ']);
    expect(plan.unknown).toEqual([`${folder}/tm/linstor_un/README.mine`]);
    expect(frontEnd.snapshot()['var/lib/one/remotes/datastore/linstor_un/linstor_utils.sh']).toBeUndefined();
    expect(frontEnd.snapshot()['var/lib/one/remotes/tm/linstor_un/clone']).toBe(
      'link ../../datastore/linstor_un/launcher',
    );
    expect(uninstall()).toEqual([]);
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('a configuration beside the scripts moves to where it is read', () => {
    layBashDriver();
    frontEnd.write(`${folder}/datastore/linstor_un/linstor_un.conf`, 'STAGING_DIR=/big\n');
    const before = frontEnd.snapshot();
    install();
    expect(frontEnd.read(layout.config)).toBe('STAGING_DIR=/big\n');
    uninstall();
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('directories that are links into a checkout are not written into', () => {
    layBashDriver('/opt/addon');
    for (const kind of ['datastore', 'tm']) {
      mkdirSync(frontEnd.path(`${folder}/${kind}`), { recursive: true });
      symlinkSync(
        frontEnd.path(`/opt/addon/${kind}/linstor_un`),
        frontEnd.path(`${folder}/${kind}/linstor_un`),
      );
    }
    const before = frontEnd.snapshot();
    expect(install().bashDriver).toBe(true);
    expect(Bun.spawnSync([frontEnd.path(`${folder}/tm/linstor_un/ln`)]).stdout.toString()).toBe('tm|ln|');
    expect(Object.keys(frontEnd.snapshot()).filter((name) => name.startsWith('opt/'))).toEqual(
      Object.keys(before).filter((name) => name.startsWith('opt/')),
    );
    uninstall();
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('its registration is kept and comes back', () => {
    layBashDriver();
    const old = `${onedConf.replace('-d dummy,lvm,shared,ssh', '-d dummy,lvm,shared,ssh,linstor_un')}
TM_MAD_CONF = [
    NAME = "linstor_un", LN_TARGET = "NONE", CLONE_TARGET = "SYSTEM", SHARED = "yes"
]
`;
    frontEnd.write('/etc/one/oned.conf', old, 0o640);
    const plan = install();
    expect(plan.kept).toEqual(['TM_MAD_CONF CLONE_TARGET = "SYSTEM" (a new installation has "SELF")']);
    uninstall();
    expect(frontEnd.read('/etc/one/oned.conf')).toBe(old);
  });
});
