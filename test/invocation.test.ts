import { describe, expect, test } from 'bun:test';
import { actions, installedNames } from '../src/actions/registry.ts';
import { readInvocation } from '../src/invocation.ts';
import { driverLinks, folderOf } from '../src/tools/driver-links.ts';

describe('which invocation is it', () => {
  test('every installed name, by full and relative path', () => {
    for (const action of actions) {
      for (const name of installedNames(action)) {
        for (const base of ['/var/lib/one/remotes/', 'remotes/', './', '../']) {
          const found = readInvocation(`${base}${folderOf[action.kind]}/${name}`, ['a']);
          expect(found).toMatchObject({
            kind: 'action',
            action: { kind: action.kind, name: action.name },
            argv: ['a'],
          });
        }
      }
    }
  });

  test('datastore and tm have actions of the same name: the directory decides', () => {
    expect(readInvocation('/r/datastore/linstor_un/clone', [])).toMatchObject({
      action: { kind: 'datastore', name: 'clone' },
    });
    expect(readInvocation('/r/tm/linstor_un/clone', [])).toMatchObject({
      action: { kind: 'tm', name: 'clone' },
    });
    expect(readInvocation('/srv/datastore/remotes/tm/linstor_un/clone', [])).toMatchObject({
      action: { kind: 'tm' },
    });
  });

  test('any suffix selects the bare action and is kept', () => {
    expect(readInvocation('/r/tm/linstor_un/mv.ssh', [])).toMatchObject({
      action: { kind: 'tm', name: 'mv', variant: 'ssh' },
    });
    expect(readInvocation('/r/tm/linstor_un/snap_create_live.qcow2', [])).toMatchObject({
      action: { name: 'snap_create_live', variant: 'qcow2' },
    });
  });

  test('by subcommand', () => {
    expect(readInvocation('linstor_un', ['tm', 'clone', 'x', 'y'])).toMatchObject({
      kind: 'action',
      action: { kind: 'tm', name: 'clone' },
      argv: ['x', 'y'],
      calledAs: '',
    });
    expect(readInvocation('/usr/lib/one/linstor_un/linstor_un', ['vmm', 'save_linstor_un'])).toMatchObject({
      kind: 'action',
      action: { kind: 'vmm' },
    });
  });

  test('the operator’s command line', () => {
    for (const argv of [[], ['--help'], ['doctor', '--json'], ['tm'], ['tm', '--help']]) {
      expect(readInvocation('linstor_un', argv)).toMatchObject({ kind: 'cli' });
    }
  });

  test('unknown names', () => {
    expect(readInvocation('/r/tm/linstor_un/frobnicate', [])).toMatchObject({ kind: 'unknown' });
    expect(readInvocation('linstor_un', ['tm', 'frobnicate'])).toMatchObject({
      kind: 'unknown',
      name: 'tm/frobnicate',
    });
    expect(readInvocation('/r/datastore/linstor_un/mkswap', [])).toMatchObject({ kind: 'unknown' });
  });
});

test('no name twice in the action table', () => {
  const names = actions.flatMap((action) => installedNames(action).map((name) => `${action.kind}/${name}`));
  expect(new Set(names).size).toBe(names.length);
});

test('drivers/ equals the action table', () => {
  const result = Bun.spawnSync([process.execPath, 'src/tools/drivers.ts', '--check'], {
    cwd: Bun.fileURLToPath(new URL('..', import.meta.url)),
    stderr: 'pipe',
  });
  expect(result.stderr.toString()).toBe('');
  expect(result.exitCode).toBe(0);
  expect(driverLinks().size).toBeGreaterThan(30);
});
