import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { runCli } from '../../src/cli/main.ts';
import { FrontEnd, onedConf } from '../install/fixtures.ts';
import { imageDatastore, systemDatastore, World } from './world.ts';

let frontEnd: FrontEnd;
let world: World;

beforeEach(() => {
  frontEnd = new FrontEnd();
  world = new World();
});
afterEach(() => frontEnd.remove());

async function run(...argv: string[]): Promise<number> {
  world.out.length = 0;
  world.messages.length = 0;
  return runCli([...argv, '--root', frontEnd.root], world.environment());
}

const install = (...more: string[]): Promise<number> => run('install', '--binary', frontEnd.binary, ...more);

describe('install', () => {
  test('--dry-run shows the differences and changes nothing', async () => {
    const before = frontEnd.snapshot();
    expect(await install('--dry-run')).toBe(0);
    expect(world.text).toContain('install    /usr/lib/one/linstor_un/linstor_un\n');
    expect(world.text).toContain('--- /etc/one/oned.conf\n+++ /etc/one/oned.conf\n');
    expect(world.text).toContain('+    ARGUMENTS = "-t 15 -d dummy,lvm,shared,ssh,linstor_un"\n');
    expect(world.text).toContain(
      '+LIVE_DISK_SNAPSHOTS="kvm-qcow2 kvm-ceph qemu-qcow2 kvm-linstor_un qemu-linstor_un"\n',
    );
    expect(world.text).toContain('Nothing was changed (--dry-run).');
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('asks a person, and takes a no', async () => {
    world.interactive = true;
    world.confirm = false;
    const before = frontEnd.snapshot();
    expect(await install()).toBe(1);
    expect(frontEnd.snapshot()).toEqual(before);
    world.confirm = true;
    expect(await install()).toBe(0);
    expect(frontEnd.read('/etc/one/oned.conf')).toContain('linstor_un');
  });

  test('without a person it wants --yes', async () => {
    const before = frontEnd.snapshot();
    expect(await install()).toBe(64);
    expect(world.messages.join()).toContain('use --yes');
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('installs, then finds nothing to do, then uninstalls to the byte', async () => {
    const before = frontEnd.snapshot();
    expect(await install('--yes')).toBe(0);
    expect(world.text).toContain('Next:\n  systemctl restart opennebula\n  linstor_un doctor\n');
    expect(await install('--yes')).toBe(0);
    expect(world.text).toContain('is installed and up to date');
    expect(await run('uninstall', '--dry-run')).toBe(0);
    expect(world.text).toContain('-    ARGUMENTS = "-t 15 -d dummy,lvm,shared,ssh,linstor_un"\n');
    expect(await run('uninstall', '--yes')).toBe(0);
    expect(frontEnd.snapshot()).toEqual(before);
    expect(await run('uninstall', '--yes')).toBe(64);
    expect(world.messages.join()).toContain('not installed here');
  });

  test('--json is one document', async () => {
    expect(await install('--yes', '--json')).toBe(0);
    const document = JSON.parse(world.text);
    expect(document).toMatchObject({
      version: '2.0.0',
      previous: null,
      applied: true,
      changed: true,
      bashDriver: false,
      conflicts: [],
    });
    expect(document.steps.filter((step: { do: string }) => step.do === 'edit')).toHaveLength(2);
    world.out.length = 0;
    expect(await install('--yes', '--json')).toBe(0);
    expect(JSON.parse(world.text)).toMatchObject({ changed: false, steps: [] });
    world.out.length = 0;
    expect(await run('uninstall', '--yes', '--json')).toBe(0);
    expect(JSON.parse(world.text)).toMatchObject({ applied: true, left: [] });
  });

  test('on one of several front-ends it says what to repeat', async () => {
    frontEnd.write('/etc/one/oned.conf', onedConf.replace('SERVER_ID     = -1', 'SERVER_ID     = 0'));
    await install('--yes');
    expect(world.text).toContain('This is one of several front-ends. On each of the others');
  });

  test('a file that oned cannot read is named with its line and not touched', async () => {
    frontEnd.write('/etc/one/oned.conf', `${onedConf}BROKEN = [ A = "x"\n`);
    const before = frontEnd.snapshot();
    expect(await install('--yes')).toBe(1);
    expect(world.messages.join()).toMatch(
      /\/etc\/one\/oned.conf: line \d+: the section BROKEN is not closed/,
    );
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('the interpreter is not installed in place of the program', async () => {
    const environment = { ...world.environment(), executable: process.execPath };
    expect(await runCli(['install', '--yes', '--root', frontEnd.root], environment)).toBe(64);
    expect(world.messages.join()).toContain('not the compiled program');
  });
});

describe('upgrade', () => {
  test('needs something to upgrade', async () => {
    expect(await run('upgrade', '--yes', '--binary', frontEnd.binary)).toBe(64);
    expect(world.messages.join()).toContain('run linstor_un install');
  });

  test('replaces the program and names both versions', async () => {
    await install('--yes');
    frontEnd.write('/built-linstor_un', '#!/bin/sh\necho new\n', 0o755);
    const environment = { ...world.environment(), version: '2.1.0' };
    world.out.length = 0;
    expect(
      await runCli(
        ['upgrade', '--yes', '--binary', frontEnd.path('/built-linstor_un'), '--root', frontEnd.root],
        environment,
      ),
    ).toBe(0);
    expect(world.text).toContain('Upgrade from 2.0.0 to 2.1.0.');
    expect(frontEnd.read('/usr/lib/one/linstor_un/linstor_un')).toContain('echo new');
    expect(JSON.parse(frontEnd.read('/usr/lib/one/linstor_un/install.json')).version).toBe('2.1.0');
  });

  test('takes over from the bash driver and says what it kept', async () => {
    frontEnd.write('/var/lib/one/remotes/datastore/linstor_un/linstor_utils.sh', ':\n');
    frontEnd.write('/var/lib/one/remotes/tm/linstor_un/ln', '#!/bin/bash\n', 0o755);
    frontEnd.write(
      '/var/lib/one/remotes/etc/datastore/linstor_un/linstor_un.conf',
      'STAGING_DIR=/big\nDD_CONV=sparse\n',
    );
    frontEnd.write(
      '/etc/one/oned.conf',
      `${onedConf}TM_MAD_CONF = [ NAME = "linstor_un", CLONE_TARGET = "SYSTEM" ]\n`,
      0o640,
    );
    expect(await run('upgrade', '--yes', '--binary', frontEnd.binary)).toBe(0);
    expect(world.text).toContain('The bash driver is installed here');
    expect(world.text).toContain('TM_MAD_CONF CLONE_TARGET = "SYSTEM" (a new installation has "SELF")');
    expect(world.text).toContain('  STAGING_DIR=/big\n');
    expect(world.text).toContain('  DD_CONV: zeroes are skipped');
  });
});

describe('datastores of an earlier registration', () => {
  test('are named with the command that changes them', async () => {
    const { datastoreDrift } = await import('../../src/cli/checks/drift.ts');
    const { registerInOnedConf } = await import('../../src/install/oned-conf.ts');
    const { text } = registerInOnedConf(onedConf);
    const old = imageDatastore({}, { CLONE_TARGET: 'SYSTEM', DISK_TYPE: '' });
    const drift = datastoreDrift(text, [
      old,
      systemDatastore(),
      systemDatastore({ id: 5, tmMad: 'ceph' }, { SHARED: 'NO' }),
    ]);
    expect(drift.map((item) => [item.datastore, item.attribute, item.found, item.wanted])).toEqual([
      [100, 'CLONE_TARGET', 'SYSTEM', 'SELF'],
      [100, 'DISK_TYPE', '', 'BLOCK'],
    ]);
    expect(drift[1]?.remedy).toBe(`onedatastore update 100 --append <(echo 'DISK_TYPE="BLOCK"')`);
    expect(drift[0]?.remedy).toContain('only while no VM uses the datastore');
    expect(datastoreDrift(onedConf, [old])).toEqual([]);
  });
});
