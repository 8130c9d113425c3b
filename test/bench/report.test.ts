import { describe, expect, test } from 'bun:test';
import { compare, toDocument, toTable } from '../../bench/report.ts';
import { against, type Machine, median, type Row } from '../../bench/row.ts';

const machine: Machine = { cpu: 'test', cpus: 2, memoryMib: 2048, kernel: '6.1', bun: '1.4.5', load: 0.5 };
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
    const earlier = JSON.stringify(toDocument(machine, rows));
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
    expect(() => compare(rows, '{"rows": [{"name": 1}]}')).toThrow();
  });
});

test('the table shows each row with its ratio and the earlier value', () => {
  const lines = toTable({ machine, rows: [{ ...rows[1], earlier: { value: 50, ratio: 0.5 } } as Row] }).split(
    '\n',
  );
  expect(lines[0]).toBe('test, 2 CPUs, 2 GiB, Linux 6.1, Bun 1.4.5, load 0.5');
  expect(lines[2]).toMatch(/^b +25 ms +2\.50 × a, 0\.50 × earlier \(50\)$/);
});

test('an unknown group, and numbers that are none, are refused with the usage', async () => {
  const main = new URL('../../bench/main.ts', import.meta.url).pathname;
  for (const words of [['nonsense'], ['start', '--runs', '0'], ['copy', '--share', '2']]) {
    const child = Bun.spawn([process.execPath, main, ...words], { stdout: 'pipe', stderr: 'pipe' });
    expect(await child.stderr.text()).toStartWith('usage: bun run bench [start, actions, copy, scale]');
    expect(await child.exited).toBe(64);
    expect(await child.stdout.text()).toBe('');
  }
});
