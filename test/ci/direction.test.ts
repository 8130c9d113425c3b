import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/**
 * Which part of the house may know of which: a part imports only what stands on a lower floor, be it a value or a type. The floors
 * are those of docs/architecture.md. What stands on one floor does not know of each other.
 */
const floors: readonly (readonly string[])[] = [
  ['base'],
  ['log', 'hosts'],
  ['linstor'],
  ['opennebula'],
  ['context'],
  ['volumes', 'transfer'],
  ['disks'],
  ['availability', 'backup', 'trash', 'adopt', 'export', 'move', 'placer'],
  ['vm-snapshots'],
  ['actions'],
  ['run'],
  ['install', 'lab'],
  ['cli'],
  ['main'],
  ['tools'],
];

/** Files that stand in `src/` itself. */
const files: Readonly<Record<string, string>> = {
  'context.ts': 'context',
  'locks.ts': 'run',
  'runtime.ts': 'run',
  'run-action.ts': 'run',
  'invocation.ts': 'run',
  'unknown-action.ts': 'run',
  'main.ts': 'main',
};

const root = Bun.fileURLToPath(new URL('../../src/', import.meta.url));

function partOf(path: string): string {
  const [first = '', ...rest] = path.split('/');
  return rest.length > 0 ? first : (files[first] ?? 'base');
}

const floorOf = (part: string): number => floors.findIndex((floor) => floor.includes(part));

const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));

/** Every module of `src/` that a file names, by `import`, `export … from` or `import()`. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  const names = [...text.matchAll(/(?:\bfrom|\bimport\(|^import)\s*'(\.[^']+\.ts)'/gm)];
  return names.flatMap(([, name = '']) => normalize(join(dirname(path), name)));
}

test('every part has a floor', () => {
  expect([...new Set(paths.map(partOf))].filter((part) => floorOf(part) < 0)).toEqual([]);
});

test('imports lead downwards, of types too', () => {
  const upwards = paths.flatMap((path) =>
    importsOf(path)
      .filter((target) => !target.startsWith('..'))
      .filter((target) => {
        const [from, to] = [partOf(path), partOf(target)];
        return from !== to && floorOf(to) >= floorOf(from);
      })
      .map((target) => `${path} → ${target}`),
  );
  expect(upwards).toEqual([]);
});

test('the reader of imports finds them', () => {
  expect(importsOf('disks/device-content.ts')).toEqual(
    expect.arrayContaining(['context.ts', 'hosts/scripts/device.ts', 'transfer/wipe.ts']),
  );
});
