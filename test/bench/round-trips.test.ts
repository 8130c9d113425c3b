import { expect, test } from 'bun:test';
import { countRoundTrips, roundTripsFile } from '../../bench/round-trips.ts';
import { readRoundTrips } from '../../src/tools/docs/round-trips.ts';

/** Waiting for a device or for a deletion may take one look more on a busy machine. */
const polls = 1;

test('no action makes more calls than the table allows, and the table knows every case', async () => {
  const allowed = new Map(
    (readRoundTrips(roundTripsFile) ?? []).map((row) => [`${row.action} ${row.mode}`, row]),
  );
  const counted = await countRoundTrips();
  expect(counted.map(({ action, mode }) => `${action} ${mode}`)).toEqual([...allowed.keys()]);
  const over = counted.filter(({ action, mode, linstor, ssh }) => {
    const row = allowed.get(`${action} ${mode}`);
    return row === undefined || linstor > row.linstor + polls || ssh > row.ssh;
  });
  expect(over).toEqual([]);
}, 120_000);
