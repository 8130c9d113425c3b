import { describe, expect, test } from 'bun:test';
import { readOptions } from '../../src/tools/bench/options.ts';
import { compare, readEarlier, toDocument, toTable } from '../../src/tools/bench/report.ts';
import { against, type Machine, median, type Row } from '../../src/tools/bench/row.ts';
import { withReference } from '../../src/tools/bench/side-by-side.ts';

const machine: Machine = {
  cpu: 'test',
  cpus: 2,
  memoryMib: 2048,
  kernel: '6.1',
  bun: '1.4.5',
  load: 0.5,
  time: '2026-01-02T03:04:05.678Z',
  version: 'v1-2-gabcdef0',
};
const rows: Row[] = [
  { name: 'a', value: 10, unit: 'ms' },
  { name: 'b', value: 25, unit: 'ms', ratio: 2.5, to: 'a' },
];

test('the median is the middle one, or between the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 2, 100])).toBe(3);
  expect(() => median([])).toThrow();
});

test('a ratio is only of values in one unit', () => {
  const reference: Row = { name: 'a', value: 4, unit: 'ms' };
  expect(against({ name: 'b', value: 6, unit: 'ms' }, reference)).toEqual({
    name: 'b',
    value: 6,
    unit: 'ms',
    ratio: 1.5,
    to: 'a',
  });
  expect(() => against({ name: 'b', value: 6, unit: 'MiB' }, reference)).toThrow('different units');
  expect(against({ name: 'b', value: 6, unit: 'ms' }, { ...reference, value: 0 }).ratio).toBeUndefined();
});

describe('the document', () => {
  test('has the machine, and for every row name, value, unit and ratio', () => {
    expect(toDocument(machine, rows)).toEqual({
      machine,
      rows: [
        { name: 'a', value: 10, unit: 'ms', ratio: null },
        { name: 'b', value: 25, unit: 'ms', ratio: 2.5, to: 'a' },
      ],
    });
  });

  test('can be compared with a later one', () => {
    const earlier = readEarlier(JSON.stringify(toDocument(machine, rows)));
    const later: Row[] = [
      { name: 'a', value: 5, unit: 'ms' },
      { name: 'b', value: 25, unit: 'MiB' },
      { name: 'c', value: 1, unit: 'ms' },
    ];
    expect(compare(later, earlier).map((row) => row.earlier)).toEqual([
      { value: 10, ratio: 0.5 },
      undefined,
      undefined,
    ]);
  });

  test('that is none is refused', () => {
    expect(() => readEarlier('{"rows": [{"name": 1}]}')).toThrow();
  });
});

describe('the table', () => {
  test('shows each row with its ratio and the earlier value, and the machines of both', () => {
    const earlier = readEarlier(JSON.stringify(toDocument({ ...machine, cpu: 'other' }, rows)));
    const [, row] = rows;
    if (!row) throw new Error('no row');
    const lines = toTable({
      machine,
      rows: [{ ...row, earlier: { value: 50, ratio: 0.5 } }],
      earlier,
    }).split('\n');
    expect(lines[0]).toBe(
      'test, 2 CPUs, 2 GiB, Linux 6.1, Bun 1.4.5, load 0.5, v1-2-gabcdef0, 2026-01-02T03:04:05.678Z',
    );
    expect(lines[1]).toStartWith('earlier: other, 2 CPUs');
    expect(lines[3]).toMatch(/^b +25 ms +2\.50 × a, 0\.50 × earlier \(50\)$/);
  });

  test('has a line for each case and a column for each candidate', () => {
    const measured = withReference([
      { name: 'actions: tm/ln (rest)', value: 400, unit: 'ms' },
      { name: 'actions: tm/ln (rest), LINSTOR calls', value: 2, unit: 'calls' },
      { name: 'actions: tm/ln (rest), ssh sessions', value: 1, unit: 'calls' },
      { name: 'actions: tm/ln (other), LINSTOR calls', value: 12, unit: 'calls' },
      { name: 'actions: tm/ln (other)', value: 2000, unit: 'ms' },
      { name: 'actions: tm/mv (rest)', value: 300, unit: 'ms' },
      { name: 'actions: tm/mv (other)', value: 3, unit: 'ms' },
      { name: 'actions: tm/mv (other), result', value: 1, unit: 'exit code' },
    ]);
    // How soon something fails is no figure to be compared.
    expect(measured.map(({ ratio }) => ratio)).toEqual([
      undefined,
      undefined,
      undefined,
      6,
      5,
      undefined,
      undefined,
      undefined,
    ]);
    const lines = toTable({ machine, rows: measured }).split('\n');
    expect(lines.slice(4).map((line) => line.split(/ {2,}/))).toEqual([
      ['actions', 'rest', 'other'],
      ['tm/ln', '400 2+1', '2000 5.0× 12'],
      ['tm/mv', '300', '3 exit 1'],
      [''],
    ]);
  });
});

describe('options', () => {
  test('other drivers may be several, groups are words or a list', () => {
    expect(
      readOptions(['start,actions', '--driver', 'a', '--driver', 'b:c', '--latency', '5,20', '--runs', '2']),
    ).toMatchObject({
      groups: ['start', 'actions'],
      drivers: ['a', 'b:c'],
      latency: { linstorMs: 5, sshMs: 20 },
      runs: 2,
    });
    expect(readOptions([]).groups).toEqual(['start', 'actions', 'copy', 'backup', 'scale']);
  });

  test('numbers that are none, and what cannot be measured, are refused by name', () => {
    expect(() => readOptions(['--runs', '0'])).toThrow('--runs 0');
    expect(() => readOptions(['--latency', '5'])).toThrow('--latency 5');
    expect(() => readOptions(['--clones', '1,x'])).toThrow('--clones 1,x');
    expect(() => readOptions(['copy', '--share', '2'])).toThrow('--share 2');
    expect(() => readOptions(['nonsense'])).toThrow('no benchmark called nonsense');
  });

  test('the command says so with its usage and exits with 64', async () => {
    const main = Bun.fileURLToPath(new URL('../../src/tools/bench/main.ts', import.meta.url));
    for (const [words, reason] of [
      [['nonsense'], 'there is no benchmark called nonsense'],
      [['actions', '--driver', '/nowhere'], '/nowhere has no tm/'],
    ] as const) {
      const child = Bun.spawn([process.execPath, main, ...words], { stdout: 'pipe', stderr: 'pipe' });
      const said = await child.stderr.text();
      expect(said).toStartWith(reason);
      expect(said).toContain('\n\nusage: bun run bench ');
      expect(await child.exited).toBe(64);
      expect(await child.stdout.text()).toBe('');
    }
  });
});
