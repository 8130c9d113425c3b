import { describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { actions } from '../../src/actions/registry.ts';
import { errorCodes } from '../../src/error-codes.ts';
import { attributeNames, attributes } from '../../src/opennebula/attributes.ts';
import { readCommands } from '../../src/tools/docs/commands.ts';
import { renderCurrentReference } from '../../src/tools/docs/current.ts';
import { table } from '../../src/tools/docs/markdown.ts';
import { renderReference } from '../../src/tools/docs/reference.ts';
import { readRoundTrips } from '../../src/tools/docs/round-trips.ts';

const page = renderReference({
  commands: [{ name: 'gc', help: 'USAGE gc\n', exitCodes: [[0, 'done']] as const }],
  explained: new Set(['SHRINK']),
});
const rowOf = (cell: string): string[] => page.split('\n').filter((line) => line.startsWith(`| ${cell} |`));

describe('the reference page', () => {
  test('is current', async () => {
    const present = readFileSync(new URL('../../docs/reference.md', import.meta.url), 'utf8');
    expect(present).toBe(await renderCurrentReference());
  });

  test('has one row for every attribute, with what is allowed', () => {
    for (const name of attributeNames) {
      const rows = rowOf(`\`${name}\``);
      expect(rows).toHaveLength(1);
      expect(rows[0]?.split(/(?<!\\)\|/)).toHaveLength(8);
      expect(rows[0]).toContain(attributes[name].allowed.replaceAll('|', '\\|'));
    }
  });

  test('has one row for every action', () => {
    for (const { kind, name } of actions) {
      expect(page.split('\n').filter((line) => line.startsWith(`| ${kind} | \`${name}\` |`))).toHaveLength(1);
    }
  });

  test('has one row for every code, linked where it is explained', () => {
    for (const [code, { remedy }] of Object.entries(errorCodes)) {
      const cell = code === 'SHRINK' ? '[`SHRINK`](troubleshooting.md#shrink)' : `\`${code}\``;
      expect(rowOf(cell)).toEqual([`| ${cell} | ${remedy} |`]);
    }
  });

  test('shows the help of a command as it is printed', () => {
    expect(page).toContain('### linstor_un gc\n\n```\nUSAGE gc\n```\n');
  });

  test('has a row for every exit code of a command', () => {
    expect(page).toContain('| `linstor_un gc` | 0 | done |');
  });

  test('shows round trips only where they were counted', () => {
    expect(page).not.toContain('Round trips');
    const roundTrips = [{ action: 'tm/ln', mode: 'first time', linstor: 3, passes: 2, asks: 1, ssh: 1 }];
    const counted = renderReference({ commands: [], explained: new Set(), roundTrips });
    expect(counted).toContain('| `tm/ln` | first time | 3 | 2 | 1 | 1 |');
  });
});

test('cells cannot break a table', () => {
  expect(table(['a'], [['x|y\nz']])).toBe('| a |\n| --- |\n| x\\|y z |');
});

test('commands are found by what the program says of itself, those of the lab too', async () => {
  const names = (await readCommands()).map(({ name }) => name);
  expect(names).toContain('install');
  expect(names).toContain('lab demo');
  expect(new Set(names).size).toBe(names.length);
});

describe('the table of round trips', () => {
  const withFile = (content: string, work: (path: string) => void): void => {
    const directory = mkdtempSync(join(tmpdir(), 'round-trips-'));
    writeFileSync(join(directory, 'table.json'), content);
    try {
      work(join(directory, 'table.json'));
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  test('may be missing', () => expect(readRoundTrips('/nonexistent/table.json')).toBeUndefined());

  test('is refused when it is not what it should be', () => {
    withFile('[{"action": "tm/ln", "mode": "", "linstor": -1, "passes": 0, "asks": 0, "ssh": 1}]', (path) =>
      expect(() => readRoundTrips(path)).toThrow(),
    );
    withFile('[{"action": "ln", "mode": "", "linstor": 1, "passes": 0, "asks": 0, "ssh": 1}]', (path) =>
      expect(() => readRoundTrips(path)).toThrow(),
    );
    const row = { action: 'tm/ln', mode: 'm', linstor: 1, passes: 0, asks: 0, ssh: 0 };
    withFile(JSON.stringify([row]), (path) => expect(readRoundTrips(path)).toEqual([row]));
  });
});
