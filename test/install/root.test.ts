import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ownerOf } from '../../src/identity.ts';
import { applyPlan } from '../../src/install/apply.ts';
import { type Layout, layoutOf } from '../../src/install/layout.ts';
import { readManifest, sha256 } from '../../src/install/manifest.ts';
import { planInstallation } from '../../src/install/plan.ts';
import { planRemoval, remove } from '../../src/install/remove.ts';
import { FrontEnd, onedConf } from './fixtures.ts';

/** Root installs where oneadmin owns `remotes/`: what oneadmin has prepared there must not be done with root's rights. */

const oneadmin = 54_321;
const asRoot = process.getuid?.() === 0;
const root = Bun.fileURLToPath(new URL('../../', import.meta.url));

let frontEnd: FrontEnd;
let layout: Layout;
/** Root's own directory and file, which nobody else may read. */
let secret: string;
const word = 'root-marker-5f1c';

beforeEach(() => {
  frontEnd = new FrontEnd();
  layout = layoutOf({ root: frontEnd.root });
  chmodSync(frontEnd.root, 0o755);
  give('/var/lib/one');
  secret = frontEnd.path('/secret');
  mkdirSync(secret, { mode: 0o700 });
  writeFileSync(join(secret, 'file'), `LS_TOKEN_FILE=/${word}\n`, { mode: 0o600 });
});
afterEach(() => frontEnd.remove());

function give(name: string): void {
  const path = frontEnd.path(name);
  lchownSync(path, oneadmin, oneadmin);
  if (!lstatSync(path).isDirectory()) return;
  for (const entry of readdirSync(path)) give(join(name, entry));
}

/** oneadmin's link. */
function trap(name: string, target: string): void {
  const path = frontEnd.path(name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(join(path, '..'), { recursive: true });
  symlinkSync(target, path);
  give('/var/lib/one');
}

/** Everything that is said, and what it ended with. */
function attempt(work: () => unknown): string {
  try {
    return JSON.stringify(work());
  } catch (error) {
    return String(error);
  }
}

const install = () => {
  const plan = planInstallation(layout, frontEnd.binary, readManifest(layout));
  applyPlan(layout, plan.steps, '2.0.0', new Date(0));
  return plan;
};
const uninstall = (purge = true) => {
  const manifest = readManifest(layout);
  return manifest ? remove(layout, planRemoval(layout, manifest, { purge })) : [];
};

const expectUntouched = (): void => {
  expect(readdirSync(secret)).toEqual(['file']);
  expect(readFileSync(join(secret, 'file'), 'utf8')).toContain(word);
  const { uid, mode } = statSync(join(secret, 'file'));
  expect([uid, mode & 0o777]).toEqual([0, 0o600]);
  expect(statSync(secret).uid).toBe(0);
};

describe.if(asRoot)('as root among oneadmin’s files', () => {
  test('what is laid below remotes is oneadmin’s, the rest is root’s', () => {
    install();
    for (const path of [layout.launcher, layout.config, `${layout.remotes}/tm/linstor_un/clone`])
      expect([path, lstatSync(frontEnd.path(path)).uid]).toEqual([path, oneadmin]);
    for (const path of [layout.binary, layout.manifest, layout.command, layout.onedConf])
      expect([path, lstatSync(frontEnd.path(path)).uid]).toEqual([path, 0]);
    uninstall();
    expect(existsSync(frontEnd.path(layout.launcher))).toBe(false);
    expect(process.geteuid?.()).toBe(0);
  });

  const places = [
    'tm/linstor_un',
    'datastore/linstor_un',
    'tm',
    'vmm/kvm',
    'etc/datastore/linstor_un',
    'etc/datastore',
    'etc/datastore/linstor_un/linstor_un.conf',
    'datastore/linstor_un/linstor_un.conf',
    'datastore/linstor_un/linstor_utils.sh',
    'datastore/linstor_un/launcher',
    'datastore/linstor_un/.launcher.linstor_un.' + process.pid,
    'tm/linstor_un/clone',
  ];
  for (const place of places) {
    test(`a link at ${place}, to root’s directory and to root’s file`, () => {
      for (const target of [secret, join(secret, 'file'), '../../../../../../secret', '/proc/1/environ']) {
        trap(`/var/lib/one/remotes/${place}`, target);
        expect(attempt(install)).not.toContain(word);
        expectUntouched();
        expect(attempt(uninstall)).not.toContain(word);
        expectUntouched();
      }
    });

    test(`a link that comes to ${place} when all is installed`, () => {
      install();
      trap(`/var/lib/one/remotes/${place}`, place.includes('.') ? join(secret, 'file') : secret);
      expect(
        attempt(() => planRemoval(layout, readManifest(layout) ?? { entries: [] }, { purge: true })),
      ).not.toContain(word);
      expect(attempt(uninstall)).not.toContain(word);
      expectUntouched();
    });
  }

  test('a FIFO in place of a file holds nobody up', () => {
    const path = frontEnd.path('/var/lib/one/remotes/etc/datastore/linstor_un/linstor_un.conf');
    mkdirSync(join(path, '..'), { recursive: true });
    Bun.spawnSync(['mkfifo', path]);
    give('/var/lib/one');
    expect(attempt(install)).toContain('not a regular file');
  });

  test('a record that oneadmin has written removes and overwrites nothing of root’s', () => {
    const own = layoutOf({ root: frontEnd.root, oneLocation: '/opt/one' });
    mkdirSync(frontEnd.path('/opt/one/lib/linstor_un/backup'), { recursive: true });
    mkdirSync(frontEnd.path('/opt/one/var'), { recursive: true });
    writeFileSync(frontEnd.path('/opt/one/lib/linstor_un/backup/x'), 'forged');
    const entries = [
      { did: 'file', path: '/secret/file', sha256: 'x' },
      { did: 'set-aside', path: '/secret/new', backup: '/opt/one/lib/linstor_un/backup/x' },
      { did: 'link', path: '/usr/bin/linked', target: 'somewhere' },
      {
        did: 'edit',
        path: '/etc/one/oned.conf',
        backup: '/opt/one/lib/linstor_un/backup/x',
        sha256: sha256(onedConf),
        edits: [],
      },
    ];
    symlinkSync(
      'somewhere',
      (mkdirSync(frontEnd.path('/usr/bin'), { recursive: true }), frontEnd.path('/usr/bin/linked')),
    );
    writeFileSync(
      frontEnd.path(own.manifest),
      JSON.stringify({ format: 1, version: '2.0.0', installedAt: '2026-01-01T00:00:00Z', entries }),
    );
    give('/opt/one');
    for (const purge of [true, false]) {
      for (const one of entries) {
        const said = attempt(() => remove(own, planRemoval(own, { entries: [one] as never }, { purge })));
        expect(said).not.toContain(word);
      }
      const manifest = readManifest(own);
      if (manifest) attempt(() => remove(own, planRemoval(own, manifest, { purge })));
    }
    expectUntouched();
    expect(lstatSync(frontEnd.path('/usr/bin/linked')).isSymbolicLink()).toBe(true);
    expect(frontEnd.read('/etc/one/oned.conf')).toBe(onedConf);
  });

  test('doctor, status and actions run as oneadmin, and so does what its configuration names', () => {
    const one = frontEnd.path('/one');
    const trace = frontEnd.path('/traces');
    mkdirSync(join(one, 'var/remotes/etc/datastore/linstor_un'), { recursive: true });
    mkdirSync(trace, { mode: 0o777 });
    chmodSync(trace, 0o777);
    const program = join(one, 'var/linstor');
    writeFileSync(program, `#!/bin/sh\nid -ru >>"${trace}/uid"; env >"${trace}/env"; exit 1\n`, {
      mode: 0o755,
    });
    const conf = join(one, 'var/remotes/etc/datastore/linstor_un/linstor_un.conf');
    writeFileSync(conf, `TRANSPORT=cli\nLINSTOR="${program}"\nLS_CONTROLLERS=127.0.0.1:1\n`);
    for (const path of ['', 'var', 'var/remotes', 'var/linstor'])
      chownSync(join(one, path), oneadmin, oneadmin);
    const run = (...argv: string[]) =>
      Bun.spawnSync([process.execPath, join(root, 'src/main.ts'), ...argv], {
        env: {
          PATH: process.env['PATH'] ?? '',
          HOME: '/root',
          ONE_LOCATION: one,
          AWS_SECRET_ACCESS_KEY: word,
          LINSTOR_UN_LOG: '',
        },
        stdin: 'ignore',
      });
    for (const argv of [['doctor', '--no-hosts'], ['status'], ['gc']]) run(...argv);
    expect([...new Set(readFileSync(join(trace, 'uid'), 'utf8').trim().split('\n'))]).toEqual([
      String(oneadmin),
    ]);
    expect(readFileSync(join(trace, 'env'), 'utf8')).not.toContain(word);
    // A configuration that is a link to root's file is not read for oneadmin.
    rmSync(conf);
    symlinkSync(join(secret, 'file'), conf);
    const doctor = run('doctor', '--no-hosts');
    expect(doctor.stdout.toString() + doctor.stderr.toString()).not.toContain(word);
  });
});

describe.if(asRoot)('whose directory it is', () => {
  test('the first on the way that is not root’s alone, links followed', () => {
    const at = (name: string) => ownerOf(frontEnd.path(name));
    expect(at('/usr/lib/one/x/y')).toBeUndefined();
    expect(at('/etc/one/oned.conf')).toBeUndefined();
    expect(at('/var/lib/one/remotes/new')).toMatchObject({ uid: oneadmin });
    symlinkSync('../var/lib/one', frontEnd.path('/etc/alias'));
    expect(at('/etc/alias/remotes')).toMatchObject({ uid: oneadmin });
    expect(ownerOf(`${frontEnd.root}/etc/alias/../../../etc/one`)).toMatchObject({ uid: oneadmin });
    // A file of somebody else in root's directory cannot be exchanged.
    chownSync(frontEnd.path('/etc/one/oned.conf'), oneadmin, oneadmin);
    expect(at('/etc/one/oned.conf')).toBeUndefined();
    chmodSync(frontEnd.path('/etc/one'), 0o777);
    expect(at('/etc/one/oned.conf')).toMatchObject({ uid: 65_534 });
    chmodSync(frontEnd.path('/etc/one'), 0o1777);
    expect(at('/etc/one/oned.conf')).toBeUndefined();
  });
});
