import { describe, expect, test } from 'bun:test';
import { drbd, makeGroup, openLab, spawn, type TestLab } from './fixture.ts';

/** What the recordings do not show; from the source of LINSTOR 1.33.3, as kinds. */

type Json = Record<string, unknown>;
const rd = '/v1/resource-definitions/rr';
const tie = ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'];

async function replicas(count: number, filter: Json = {}, lab = openLab()): Promise<TestLab> {
  await makeGroup(lab, 'grp', { place_count: count, ...drbd, ...filter });
  await spawn(lab, 'grp', 'rr', 65536);
  return lab;
}

async function flags(lab: TestLab): Promise<Record<string, string[]>> {
  const list = await lab.get<Json[]>(`${rd}/resources`);
  return Object.fromEntries(
    list.map((item) => [String(item['node_name']), (item['flags'] ?? []) as string[]]),
  );
}

describe('tie-breaker at the deletion of a replica', () => {
  test('of three replicas the one that is deleted stays, without its disk', async () => {
    const lab = await replicas(3);
    const { codes, entries } = await lab.send('DELETE', `${rd}/resources/charlie`);
    expect(codes[0]).toBe(10006);
    expect(entries.map(({ message }) => message)).toContain(
      "Removal of disk from resource 'rr' on node 'charlie' registered",
    );
    expect(await flags(lab)).toEqual({ alpha: [], bravo: [], charlie: tie });
  });

  test('of two the tie-breaker goes too: said first, done last', async () => {
    const lab = await replicas(2, { node_name_list: ['alpha', 'bravo'] });
    const { entries } = await lab.send('DELETE', `${rd}/resources/bravo`);
    const said = entries.map(({ message }) => message);
    const order = [
      'Tie breaker marked for deletion',
      'Node: bravo, Resource: rr preparing for deletion.',
      'Node: bravo, Resource: rr marked for deletion.',
      'Node: bravo, Resource: rr deletion complete.',
      'Node: charlie, Resource: rr deletion complete.',
    ];
    expect(order.map((message) => said.indexOf(message))).toEqual(
      [...order.keys()].map((index) => said.indexOf(order[index] ?? '')).sort((a, b) => a - b),
    );
    expect(said.filter((message) => message === 'Tie breaker marked for deletion')).toHaveLength(2);
    expect(await flags(lab)).toEqual({ alpha: [] });
  });

  test('keep_tiebreaker switches the automatism on again, and says so', async () => {
    const lab = await replicas(2, { node_name_list: ['alpha', 'bravo'] });
    await lab.send('DELETE', `${rd}/resources/charlie`);
    await lab.send('POST', `${rd}/resources/charlie/make-available`, {});
    const kept = await lab.send('DELETE', `${rd}/resources/charlie?keep_tiebreaker=true`);
    expect(kept.entries.slice(0, 2).map(({ message }) => message)).toEqual([
      'Autotiebreaker automatically enabled due to --keep-tiebreaker',
      'The given resource will not be deleted but will be taken over as a linstor managed tiebreaker resource.',
    ]);
    expect((await flags(lab))['charlie']).toEqual(tie);
  });

  test('a node that its group would not have chosen is not kept: another gets it, or none', async () => {
    const nodes = ['alpha', 'bravo', 'charlie', 'delta'].map((name) => ({
      name,
      pools: [{ name: 'thin', provider: 'FILE_THIN' as const }],
      props: { 'Aux/rack': name === 'charlie' ? 'b' : 'a' },
    }));
    const lab = await replicas(3, {}, openLab({ nodes }));
    await lab.send('PUT', '/v1/resource-groups/grp', { select_filter: { replicas_on_same: ['Aux/rack'] } });
    expect((await lab.send('DELETE', `${rd}/resources/charlie`)).codes).toContain(10003);
    expect(await flags(lab)).toEqual({ alpha: [], bravo: [], delta: tie });
  });

  test('one on a node that is away stays', async () => {
    const lab = await replicas(2, { node_name_list: ['alpha', 'bravo'] });
    await lab.lab.setConnection('charlie', 'OFFLINE');
    await lab.send('DELETE', `${rd}/resources/bravo`);
    expect(await flags(lab)).toEqual({ alpha: [], charlie: tie });
  });
});

describe('which pool is taken', () => {
  const nodes = (sizes: Record<string, number>) =>
    Object.entries(sizes).map(([name, sizeKib]) => ({
      name,
      pools: [{ name: 'thin', provider: 'FILE_THIN' as const, sizeKib }],
      props: { 'Aux/rack': name.slice(-1) },
    }));

  test('of equal ones the first by the name of its node', async () => {
    const lab = openLab({ nodes: nodes({ zulu: 1e6, alpha: 1e6, mike: 1e6 }) });
    await makeGroup(lab, 'grp', { place_count: 2 });
    await spawn(lab, 'grp', 'rr');
    expect(Object.keys(await flags(lab))).toEqual(['alpha', 'mike']);
  });

  test('with constraints the set with the most space, not the one with the largest pool', async () => {
    const lab = openLab({ nodes: nodes({ n1a: 4e6, n2a: 1e6, n3b: 3e6, n4b: 3e6 }) });
    await makeGroup(lab, 'grp', { place_count: 2, replicas_on_same: ['Aux/rack'] });
    await spawn(lab, 'grp', 'rr');
    expect(Object.keys(await flags(lab))).toEqual(['n3b', 'n4b']);
  });
});

describe('values are kept in one spelling', () => {
  test.each([
    ['DrbdOptions/auto-add-quorum-tiebreaker', 'False', 'false'],
    ['DrbdOptions/auto-add-quorum-tiebreaker', 'YES', 'true'],
    ['DrbdOptions/Net/allow-two-primaries', 'Yes', 'yes'],
    ['Aux/any', 'As Given', 'As Given'],
  ])('%s %s → %s', async (key, given, kept) => {
    const lab = await replicas(1);
    await lab.send('PUT', rd, { override_props: { [key]: given } });
    expect((await lab.get<{ props: Json }>(rd)).props[key]).toBe(kept);
  });
});

test('what is refused without being expected leaves an error report, and names its cause', async () => {
  const lab = await replicas(1);
  const report = async (method: string, path: string, body?: unknown) => {
    const { entries } = await lab.send(method, path, body);
    return [entries[0]?.error_report_ids?.length ?? 0, entries[0]?.cause];
  };
  expect(
    await report('POST', `${rd}/volume-definitions`, {
      volume_definition: { volume_number: 70000, size_kib: 4096 },
    }),
  ).toEqual([1, 'Volume number 70000 is out of range [0 - 65534]']);
  expect(await report('DELETE', '/v1/nodes/alpha/storage-pools/thin')).toEqual([1, undefined]);
  expect(await report('DELETE', '/v1/nodes/alpha/storage-pools/DfltDisklessStorPool')).toEqual([
    1,
    undefined,
  ]);
  expect(await report('DELETE', '/v1/nodes/alpha/lost')).toEqual([1, undefined]);
  expect(await report('DELETE', '/v1/resource-definitions/none')).toEqual([0, undefined]);
});
