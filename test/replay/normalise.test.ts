import { describe, expect, test } from 'bun:test';
import { compare } from '../../src/tools/replay/compare.ts';
import { normalise, normaliseText } from '../../src/tools/replay/normalise.ts';

const same = (a: unknown, b: unknown): boolean => compare(normalise(a), normalise(b)).length === 0;

describe('what differs from run to run is scrubbed', () => {
  test.each([
    [{ uuid: '96d5539e-89fe-4b68-a491-dbce4cd2e189' }, { uuid: 'f8e8062b-12b4-45d8-9cf6-5b9ae1f8bbd7' }],
    [
      { details: 'X UUID is: 96d5539e-89fe-4b68-a491-dbce4cd2e189' },
      { details: 'X UUID is: f8e8062b-12b4-45d8-9cf6-5b9ae1f8bbd7' },
    ],
    [{ created_at: '2026-11-23T02:41:28.979126192Z' }, { created_at: '2027-01-01T00:00:00.000000001Z' }],
    [{ create_timestamp: 1795401693299 }, { create_timestamp: 1 }],
    [{ free_capacity: 8375296 }, { free_capacity: 8375280 }],
    [{ device_path: '/dev/loop3' }, { device_path: '/tmp/lab/dev/alpha/x_00000' }],
    [{ error_report_ids: ['6B03A7C1-654E4-000001'] }, { error_report_ids: ['6B039A94-00000-000020'] }],
    [{ message: "'safety-snap-BUzaHgN2Ll' created" }, { message: "'safety-snap-npTEYY0v3i' created" }],
    [
      { key: 'DrbdCurrentGi', value: '9A7B9CA41A420C16' },
      { key: 'DrbdCurrentGi', value: '11F2CB8A6DA5C0CC' },
    ],
  ])('%p', (a, b) => {
    expect(same(a, b)).toBe(true);
  });

  test('allocated sizes of the storage layer, not those of DRBD', () => {
    const storage = (kib: number) => ({
      volume_number: 0,
      allocated_size_kib: kib,
      usable_size_kib: kib,
      disk_state: '[]',
    });
    const drbd = (kib: number) => ({
      device_path: '/dev/drbd1000',
      allocated_size_kib: kib,
      usable_size_kib: 65536,
    });
    expect(same(storage(8), storage(12))).toBe(true);
    expect(same(drbd(65588), drbd(65592))).toBe(false);
    expect(same(storage(8), storage(-1))).toBe(false);
  });
});

describe('nothing else is', () => {
  test.each([
    [{ ret_code: '-4611686018406940171' }, { ret_code: '-4611686018406940170' }],
    [{ message: "Node 'nope' not found." }, { message: "Node 'none' not found." }],
    [{ size_kib: 65536 }, { size_kib: 65537 }],
    [{ free_capacity: 0 }, { free_capacity: 8375296 }],
    [{ free_capacity: '9223372036854775807' }, { free_capacity: 8375296 }],
    [{ device_path: '/dev/loop3' }, {}],
    [{ uuid: 'a' }, {}],
    [{ error_report_ids: ['a', 'b'] }, { error_report_ids: ['a'] }],
    [{ props: { 'Aux/a': '1' } }, { props: { 'Aux/a': '2' } }],
    [{ flags: ['DELETE'] }, { flags: [] }],
    [{ node_id: 0 }, { node_id: 1 }],
    [{ tcp_ports: [7000] }, { tcp_ports: [7001] }],
    [{ volume_number: 0 }, { volume_number: '0' }],
    [{ in_use: false }, {}],
    [{ message: "'safety-snap-short' created" }, { message: "'safety-snap-other' created" }],
  ])('%p is not %p', (a, b) => {
    expect(same(a, b)).toBe(false);
  });
});

test('peers are sorted, the rest of the line stays', () => {
  expect(normaliseText("Added peer(s) 'bravo', 'alpha' to resource 'bb' on 'charlie'")).toBe(
    "Added peer(s) 'alpha', 'bravo' to resource 'bb' on 'charlie'",
  );
});

describe('entries', () => {
  const entry = (message: string, ret_code = '1') => ({ ret_code, message });
  const a = entry("Created resource 'rr' on 'alpha'");
  const b = entry("Created resource 'rr' on 'bravo'");
  const first = entry("New resource definition 'rr' created.");
  const second = entry("Resource 'rr' successfully autoplaced on 2 nodes");

  test('about nodes: any order, but the same ones', () => {
    expect(compare([first, a, b], [first, b, a])).toEqual([]);
    expect(compare([first, a, b], [first, a, a])).toHaveLength(2);
    expect(compare([first, a, b], [first, a])).toHaveLength(1);
    expect(compare([a], [{ ...a, ret_code: '2' }])).toHaveLength(2);
  });

  test('others: their order counts', () => {
    expect(compare([first, second], [second, first])).not.toEqual([]);
  });
});
