import { beforeAll, describe, expect, test } from 'bun:test';
import { actions } from '../../src/actions/registry.ts';
import { readRoundTrips } from '../../src/tools/docs/round-trips.ts';
import { budgetFile, type Cost, countCosts, nameOf } from './count.ts';

/**
 * What each action costs in calls to LINSTOR, passes of its satellites, ssh sessions and XML-RPC calls, in every mode, on the lab, with the compiled binary. The
 * table is asserted number by number: one call more is a decision, made by `bun test/budget/write.ts` and seen in
 * the difference.
 */
const rows = readRoundTrips(budgetFile) ?? [];

/** What was aimed at, for the cases that it was aimed at; a case beyond its aim must say why. */
const aims: readonly { readonly cases: RegExp; readonly linstor?: number; readonly ssh?: number }[] = [
  { cases: /^tm\/ln /, linstor: 3, ssh: 1 },
  { cases: /^tm\/delete /, linstor: 3, ssh: 1 },
  // Three of them are what the controller has in memory of the image, which asks no satellite as the one view did.
  { cases: /^tm\/clone .*=snapshot/, linstor: 7, ssh: 1 },
  { cases: /monitor /, linstor: 4, ssh: 0 },
  // One on each of the two hosts.
  { cases: /^tm\/premigrate /, ssh: 2 },
];

describe('round trips', () => {
  let counted: Cost[] = [];
  beforeAll(async () => {
    counted = await countCosts();
  }, 600_000);

  test('every case is in the table, and the table holds nothing else', () => {
    expect(counted.map(nameOf)).toEqual(rows.map(nameOf));
  });

  test.each(rows)(
    '$action $mode: $linstor LINSTOR, $passes passes, $asks asks, $ssh ssh, $one oned',
    ({ comment: _, ...row }) => {
      const cost = counted.find((each) => nameOf(each) === nameOf(row));
      expect(cost).toEqual({ ...row, one: row.one ?? 0 });
    },
  );
});

test('every action has a case', () => {
  const known = new Set(rows.map(({ action }) => action));
  expect(actions.map(({ kind, name }) => `${kind}/${name}`).filter((name) => !known.has(name))).toEqual([]);
});

test('a case that costs more than was aimed at says why', () => {
  const silent = rows.filter((row) =>
    aims.some(
      ({ cases, linstor = row.linstor, ssh = row.ssh }) =>
        cases.test(nameOf(row)) && (row.linstor > linstor || row.ssh > ssh) && !row.comment,
    ),
  );
  expect(silent.map(nameOf)).toEqual([]);
});
