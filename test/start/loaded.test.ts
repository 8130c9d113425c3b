import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { actions } from '../../src/actions/registry.ts';

/*
 * What an action loads before it has read its message: everything that is imported without `import()`, from the entry and from
 * its own file on. Loading is most of what a start costs (docs/performance.md), and one careless import brings it back.
 */

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const transpiler = new Bun.Transpiler({ loader: 'ts' });

/** Modules and packages by how they were reached; types are no imports. */
function reached(entries: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (module: string, from: string): void => {
    if (found.has(module)) return;
    found.set(module, from);
    if (!module.startsWith('src/') || !module.endsWith('.ts')) return;
    for (const { kind, path } of transpiler.scanImports(readFileSync(join(root, module), 'utf8'))) {
      if (kind !== 'import-statement') continue;
      walk(path.startsWith('.') ? join(module, '..', path) : path, `${from} → ${module}`);
    }
  };
  for (const entry of entries) walk(entry, '');
  return found;
}

const frame = ['src/main.ts', 'src/run-action.ts'];
const fileOf = ({ kind, name }: { kind: string; name: string }): string =>
  join('src/actions', kind, `${name.replace(/_linstor_un$/, '').replaceAll('_', '-')}.ts`);

function offences(entries: readonly string[], forbidden: RegExp): string[] {
  return [...reached(entries)]
    .filter(([module]) => forbidden.test(module))
    .map(([module, from]) => `${module}: ${from}`);
}

/** For people, for tests, or loaded with the first call of what needs it. */
const never =
  /^(citty|ofetch|zod(\/.*)?|node:(async_hooks|buffer|crypto|net|os|tls|zlib|dgram|http|https|stream|tty|child_process))$|^src\/(cli|lab|install|tools|transfer)\/|^src\/log\/read-log|^src\/linstor\/(rest\/(rest|http)|cli\/cli|schema|decode-\w+)\.ts$|^src\/opennebula\/(oned|oned-client|monitord-datagrams)\.ts$/;

test('the frame of an action loads no validator, no client and nothing for people', () => {
  expect(offences(frame, /^zod/)).toEqual([]);
  expect(offences(frame, never)).toEqual([]);
});

describe('an action loads what its message needs, and not', () => {
  const perImage = /^datastore\/(clone)$|^tm\/(clone|cpds|mvds)$/;
  for (const action of actions) {
    test(`${action.kind}/${action.name}`, () => {
      const entries = [...frame, fileOf(action)];
      expect(reached(entries).size).toBeGreaterThan(20);
      const copies = perImage.test(`${action.kind}/${action.name}`);
      const found = offences(entries, never).filter((each) => !(copies && each.includes('src/transfer/')));
      expect(found).toEqual([]);
    });
  }
});

test('standard streams are used by their descriptors: touching process.stdin or stdout loads all of Node’s streams', () => {
  for (const module of [...reached([...frame, ...actions.map(fileOf)]).keys()].filter((each) =>
    each.startsWith('src/'),
  ))
    expect([
      module,
      /process\.(stdin|stdout|stderr)\b/.test(
        readFileSync(join(root, module), 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''),
      ),
    ]).toEqual([module, false]);
});

test('the walk sees an import that is there', () => {
  expect(reached(['src/transfer/probe.ts']).has('zod')).toBe(true);
  expect(reached(['src/linstor/rest/http.ts']).has('ofetch')).toBe(true);
});
