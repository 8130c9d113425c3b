import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { isDriverError } from '../../src/errors.ts';
import { isLinstorError, type LinstorError } from '../../src/linstor/error.ts';
import type { Linstor, Resource, ResourceDefinition } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { kib } from '../../src/units.ts';
import { contractGroup, contractWideGroup } from './linstor-groups.ts';

export interface ContractClient {
  readonly linstor: Linstor;
  readonly cleanup: () => Promise<void>;
}

export interface ContractOptions {
  /**
   * Default true. A real controller (seen with 1.33.3) does not end the database transaction of a clone that it
   * refuses: afterwards its writes fail at random with "attempt to replace an active transMgr", until it is restarted.
   */
  readonly refusedClone?: boolean;
}

const size = kib(32 * 1024);
const larger = kib(48 * 1024);

async function refusal(work: Promise<unknown>): Promise<LinstorError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLinstorError(error)) throw new Error(`not refused by LINSTOR: ${String(error)}`);
  return error;
}

/**
 * What every `Linstor` must do, on nodes alpha, bravo and charlie with a FILE_THIN pool `thin`, the layer STORAGE, and the
 * groups of `createContractGroups`. Leaves nothing behind. The idempotency table is linstor-behaviour §7.1.
 */
export function linstorContract(
  name: string,
  makeClient: () => Promise<ContractClient>,
  options: ContractOptions = {},
): void {
  // A busy controller, and a client that starts Python for every call.
  setDefaultTimeout(180_000);
  describe(`Linstor contract: ${name}`, () => {
    const mark = `ct-${Math.random().toString(36).slice(2, 8)}`;
    const disk = resourceName(`${mark}-disk`);
    const copy = resourceName(`${mark}-copy`);
    const bare = resourceName(`${mark}-bare`);
    const spawned = resourceName(`${mark}-spawned`);
    let client: ContractClient;
    let linstor: Linstor;

    const definition = async (rd: string): Promise<ResourceDefinition | undefined> =>
      (await linstor.definitions({ names: [resourceName(rd)] }))[0];
    const replica = async (rd: string): Promise<Resource | undefined> =>
      (await linstor.resources({ names: [resourceName(rd)] }))[0];

    beforeAll(async () => {
      client = await makeClient();
      linstor = client.linstor;
    });

    afterAll(async () => {
      const left = (await linstor.definitions())
        .filter((one) => one.name.startsWith(mark))
        .map((one) => one.name);
      for (const snapshot of left.length > 0 ? await linstor.snapshots({ names: left }) : []) {
        await linstor.deleteSnapshot(snapshot.resource, snapshot.name);
      }
      for (const rd of left) await linstor.deleteDefinition(rd);
      await client.cleanup();
    });

    test('capabilities come from the version document', async () => {
      const can = await linstor.capabilities();
      expect(can.serverVersion).toMatch(/^1\.\d+/);
      expect(can.restVersion).toMatch(/^1\.\d+/);
      expect(can.sizeInfo).toBe(true);
      expect(await linstor.capabilities()).toBe(can);
    });

    test('nodes are online and say what they can', async () => {
      const nodes = await linstor.nodes();
      expect(nodes.map((node) => [node.name, node.status]).sort()).toEqual([
        ['alpha', 'ONLINE'],
        ['bravo', 'ONLINE'],
        ['charlie', 'ONLINE'],
      ]);
      for (const node of nodes) {
        expect(node.layers).toContain('STORAGE');
        expect(node.providers).toContain('FILE_THIN');
        expect(node.addresses).toHaveLength(1);
      }
    });

    test('storage pools have space; the diskless pool has none of its own', async () => {
      const thin = await linstor.storagePools({ pools: ['thin'] });
      expect<unknown>(thin.map((pool) => pool.node).sort()).toEqual(['alpha', 'bravo', 'charlie']);
      for (const pool of thin) {
        expect(pool.provider).toBe('FILE_THIN');
        expect(pool.supportsSnapshots).toBe(true);
        expect(pool.freeKib).toBeGreaterThan(1024);
        expect(pool.totalKib).toBeGreaterThanOrEqual(pool.freeKib ?? Number.POSITIVE_INFINITY);
      }
      const diskless = (await linstor.storagePools({ nodes: [nodeName('alpha')] })).find(
        (pool) => pool.provider === 'DISKLESS',
      );
      expect(diskless).toMatchObject({ name: 'DfltDisklessStorPool', node: 'alpha' });
      expect(diskless).not.toHaveProperty('freeKib');
      expect(diskless).not.toHaveProperty('totalKib');
    });

    test('pool filters: unknown names match nothing, and do not hide the known', async () => {
      expect(await linstor.storagePools({ pools: ['no-such-pool'] })).toEqual([]);
      expect(await linstor.storagePools({ nodes: [nodeName('no-such-node')] })).toEqual([]);
      const some = await linstor.storagePools({
        nodes: [nodeName('bravo'), nodeName('no-such-node')],
        pools: ['thin'],
      });
      expect<unknown>(some.map((pool) => pool.node)).toEqual(['bravo']);
    });

    test('resource groups are found, listed, or undefined', async () => {
      expect(await linstor.resourceGroup(contractGroup)).toMatchObject({
        name: contractGroup,
        filter: { placeCount: 1, storagePools: ['thin'], layers: ['STORAGE'] },
      });
      expect(await linstor.resourceGroup('no-such-group')).toBeUndefined();
      expect((await linstor.resourceGroups()).map((group) => group.name)).toContain(contractWideGroup);
    });

    test('free space of a group', async () => {
      const info = await linstor.sizeInfo(contractGroup);
      expect(info?.maxVolumeKib).toBeGreaterThan(1024);
      expect(info?.capacityKib).toBeGreaterThanOrEqual(info?.availableKib ?? Number.POSITIVE_INFINITY);
      expect(await linstor.sizeInfo('no-such-group')).toBeUndefined();
    });

    test('a definition is made with its group and properties, once', async () => {
      const props = { 'Aux/one/contract': mark, 'Aux/one/dash': '-7' };
      const outcome = await linstor.createDefinition({
        name: disk,
        group: contractGroup,
        layers: ['STORAGE'],
        props,
      });
      expect(outcome.has('success', 'CREATED')).toBe(true);
      expect(await definition(disk)).toMatchObject({ name: disk, group: contractGroup, props, volumes: [] });
      const again = await refusal(linstor.createDefinition({ name: disk, group: contractGroup }));
      expect([again.code, again.linstorCode]).toEqual(['LINSTOR_EXISTS', 501]);
      expect(
        (await refusal(linstor.createDefinition({ name: resourceName(disk.toUpperCase()) }))).linstorCode,
      ).toBe(501);
    });

    test('a definition needs a group that exists and a proper name', async () => {
      const group = await refusal(linstor.createDefinition({ name: bare, group: 'no-such-group' }));
      expect([group.code, group.linstorCode]).toEqual(['LINSTOR_NOT_FOUND', 317]);
      expect(
        (await refusal(linstor.createDefinition({ name: resourceName(`${mark}.bad`) }))).linstorCode,
      ).toBe(202);
      expect(await definition(bare)).toBeUndefined();
    });

    test('properties are set, changed and removed, by key and by namespace', async () => {
      await linstor.modifyDefinition(disk, {
        set: { 'Aux/one/a': '1', 'Aux/one/b': 'x = y', 'Aux/tmp/c/d': '3', 'Aux/tmp/e': '4' },
      });
      await linstor.modifyDefinition(disk, {
        set: { 'Aux/one/a': '2' },
        unset: ['Aux/one/b', 'Aux/one/absent'],
        unsetNamespaces: ['Aux/tmp'],
      });
      const props = (await definition(disk))?.props ?? {};
      expect(Object.fromEntries(Object.entries(props).filter(([key]) => key.startsWith('Aux/')))).toEqual({
        'Aux/one/contract': mark,
        'Aux/one/dash': '-7',
        'Aux/one/a': '2',
      });
    });

    test('a property that LINSTOR does not know is refused, and so is one of nothing', async () => {
      expect((await refusal(linstor.modifyDefinition(disk, { set: { NoSuchKey: '1' } }))).linstorCode).toBe(
        213,
      );
      const missing = await refusal(linstor.modifyDefinition(bare, { set: { 'Aux/a': '1' } }));
      expect([missing.code, missing.linstorCode]).toEqual(['LINSTOR_NOT_FOUND', 301]);
    });

    test('definitions are found by property', async () => {
      const names = async (...props: string[]) =>
        (await linstor.definitions({ props })).map((one) => one.name);
      expect<unknown>(await names(`Aux/one/contract=${mark}`)).toEqual([disk]);
      expect<unknown>(await names(`Aux/one/contract=${mark}`, 'Aux/one/a')).toEqual([disk]);
      expect(await names(`Aux/one/contract=${mark}`, 'Aux/one/a=1')).toEqual([]);
      expect(await linstor.definitions({ names: [bare] })).toEqual([]);
      expect(await linstor.definitions({ names: [] })).toEqual([]);
    });

    test('a volume is defined once', async () => {
      await linstor.createVolume(disk, 0, size);
      expect((await definition(disk))?.volumes).toMatchObject([{ number: 0, sizeKib: size }]);
      const again = await refusal(linstor.createVolume(disk, 0, size));
      expect([again.code, again.linstorCode]).toEqual(['LINSTOR_EXISTS', 503]);
      expect((await refusal(linstor.createVolume(bare, 0, size))).linstorCode).toBe(301);
    });

    test('a resource is made on a node and has a device there', async () => {
      expect(await linstor.resources({ names: [disk] })).toEqual([]);
      await linstor.createResource(disk, nodeName('alpha'), { pool: 'thin' });
      expect(await linstor.resources({ names: [disk] })).toMatchObject([
        {
          name: disk,
          node: 'alpha',
          flags: [],
          layers: ['STORAGE'],
          stateKnown: true,
          volumes: [
            { number: 0, pool: 'thin', provider: 'FILE_THIN', devicePath: expect.stringMatching(/^\//) },
          ],
        },
      ]);
      expect(await replica(disk)).not.toHaveProperty('inUse');
    });

    test('the controller knows by itself where a resource is, and its device', async () => {
      const [viewed] = await linstor.resources({ names: [disk] });
      const known = await linstor.replicas([disk, resourceName(`${mark}-none`), disk]);
      expect(known).toMatchObject([
        { name: disk, node: 'alpha', flags: [], layers: ['STORAGE'], stateKnown: true },
      ]);
      expect(known[0]?.volumes).toMatchObject([{ number: 0, devicePath: viewed?.volumes[0]?.devicePath }]);
      expect(await linstor.replicas([resourceName(`${mark}-none`)])).toEqual([]);
      expect(await linstor.replicas([])).toEqual([]);
    });

    test('a resource that is there already is an info, not an error', async () => {
      expect(
        (await linstor.createResource(disk, nodeName('alpha'), { pool: 'thin' })).has(
          'info',
          'INFO_RSC_ALREADY_EXISTS',
        ),
      ).toBe(true);
      expect(await linstor.resources({ names: [disk] })).toHaveLength(1);
    });

    test('a resource needs a node and a pool that exist', async () => {
      expect(
        (await refusal(linstor.createResource(disk, nodeName('no-such-node'), { pool: 'thin' }))).linstorCode,
      ).toBe(300);
      expect(
        (await refusal(linstor.createResource(disk, nodeName('bravo'), { pool: 'no-such-pool' }))).code,
      ).toBe('LINSTOR_NOT_FOUND');
      expect((await refusal(linstor.createResource(bare, nodeName('alpha')))).linstorCode).toBe(301);
      expect(await linstor.resources({ names: [disk] })).toHaveLength(1);
    });

    test('resources are filtered by node', async () => {
      expect(await linstor.resources({ names: [disk], nodes: [nodeName('bravo')] })).toEqual([]);
      expect(await linstor.resources({ names: [disk], nodes: [nodeName('no-such-node')] })).toEqual([]);
      expect(
        await linstor.resources({ names: [disk], nodes: [nodeName('no-such-node'), nodeName('alpha')] }),
      ).toHaveLength(1);
      expect(await linstor.resources({ names: [bare] })).toEqual([]);
    });

    test('diskless is refused without a layer that can do it', async () => {
      expect(
        (await refusal(linstor.createResource(disk, nodeName('bravo'), { diskless: true }))).linstorCode,
      ).toBe(225);
      expect(
        (await refusal(linstor.toggleDisk(disk, nodeName('alpha'), { diskless: true }))).linstorCode,
      ).toBe(991);
      expect(await linstor.resources({ names: [disk] })).toHaveLength(1);
    });

    test('make-available on the node that has it changes nothing', async () => {
      const before = await replica(disk);
      const outcome = await linstor.makeAvailable(disk, nodeName('alpha'));
      expect(outcome.has('success', 'MASK_SUCCESS')).toBe(true);
      expect(await replica(disk)).toEqual(before);
      expect((await refusal(linstor.makeAvailable(bare, nodeName('alpha')))).linstorCode).toBe(301);
    });

    test('managed live migration is asked for by name', async () => {
      if ((await linstor.capabilities()).managedDualPrimary) return;
      const work = linstor.makeAvailable(disk, nodeName('alpha'), { manageDualPrimary: true });
      expect(await work.catch((error) => isDriverError(error, 'LINSTOR_UNSUPPORTED'))).toBe(true);
      const undo = linstor.unmakeAvailable(disk, nodeName('alpha'));
      expect(await undo.catch((error) => isDriverError(error, 'LINSTOR_UNSUPPORTED'))).toBe(true);
    });

    test('plain storage is always in sync; what is missing is not', async () => {
      expect(await linstor.synced(disk)).toBe(true);
      expect((await refusal(linstor.synced(bare))).linstorCode).toBe(301);
    });

    test('a volume grows; the same size again is a warning', async () => {
      await linstor.resizeVolume(disk, 0, larger);
      expect((await definition(disk))?.volumes[0]?.sizeKib).toBe(larger);
      expect(
        (await linstor.resizeVolume(disk, 0, larger)).has('warning', 'WARN_VLMDFN_RESIZE_SAME_SIZE'),
      ).toBe(true);
      expect((await refusal(linstor.resizeVolume(disk, 7, larger))).linstorCode).toBe(303);
    });

    test('a volume takes properties; what LINSTOR does not know is refused', async () => {
      const property = 'Linstor/Drbd/InitialUptoDateOn';
      await linstor.modifyVolume(disk, 0, { [property]: 'bravo' });
      expect((await definition(disk))?.volumes[0]?.props[property]).toBe('bravo');
      expect((await refusal(linstor.modifyVolume(disk, 7, { [property]: 'bravo' }))).linstorCode).toBe(303);
    });

    test('a snapshot is taken once', async () => {
      await linstor.createSnapshot(disk, 'snap-1');
      expect(await linstor.snapshots({ names: [disk] })).toMatchObject([
        {
          name: 'snap-1',
          resource: disk,
          nodes: ['alpha'],
          flags: ['SUCCESSFUL'],
          volumes: [{ number: 0, sizeKib: larger }],
        },
      ]);
      expect((await linstor.snapshots({ names: [disk] }))[0]?.createdAt).toBeGreaterThan(0);
      expect((await refusal(linstor.createSnapshot(disk, 'snap-1'))).linstorCode).toBe(514);
      expect((await refusal(linstor.createSnapshot(bare, 'snap-1'))).linstorCode).toBe(301);
      expect(
        (await refusal(linstor.createSnapshot(disk, 'snap-2', { nodes: [nodeName('bravo')] }))).linstorCode,
      ).toBe(302);
      expect(await linstor.snapshots({ names: [bare] })).toEqual([]);
    });

    test('a definition with snapshots stays', async () => {
      expect((await refusal(linstor.deleteDefinition(disk))).linstorCode).toBe(514);
      expect(await linstor.resources({ names: [disk] })).toHaveLength(1);
    });

    test('a snapshot is restored into a new definition, volumes first', async () => {
      await linstor.createDefinition({ name: copy, group: contractGroup });
      await linstor.restoreVolumes(disk, 'snap-1', copy);
      expect((await definition(copy))?.volumes).toMatchObject([{ number: 0, sizeKib: larger }]);
      await linstor.restoreResources(disk, 'snap-1', copy, { nodes: [nodeName('alpha')] });
      expect(await linstor.resources({ names: [copy] })).toMatchObject([
        { node: 'alpha', volumes: [{ number: 0, pool: 'thin' }] },
      ]);
      // The marks of the source come along (linstor-behaviour §3.12): the caller has to rewrite them.
      expect((await definition(copy))?.props['Aux/one/contract']).toBe(mark);
      expect((await refusal(linstor.restoreVolumes(disk, 'snap-1', copy))).linstorCode).toBe(503);
      expect((await refusal(linstor.restoreResources(disk, 'snap-1', copy))).linstorCode).toBe(502);
    });

    test('restoring needs a snapshot, there', async () => {
      expect((await refusal(linstor.restoreVolumes(disk, 'no-such', copy))).linstorCode).toBe(313);
      expect((await refusal(linstor.restoreResources(disk, 'no-such', copy))).code).toBe('LINSTOR_NOT_FOUND');
    });

    test('rollback brings the size of the snapshot back', async () => {
      await linstor.resizeVolume(disk, 0, kib(64 * 1024));
      await linstor.rollback(disk, 'snap-1');
      expect((await definition(disk))?.volumes[0]?.sizeKib).toBe(larger);
      expect(await linstor.resources({ names: [disk] })).toMatchObject([{ node: 'alpha', stateKnown: true }]);
      expect((await refusal(linstor.rollback(disk, 'no-such'))).linstorCode).toBe(313);
    });

    test('several resources are snapshotted at one point', async () => {
      await linstor.createSnapshots([
        { resource: disk, snapshot: 'both' },
        { resource: copy, snapshot: 'both' },
      ]);
      const found = (await linstor.snapshots({ names: [disk, copy] })).filter((one) => one.name === 'both');
      expect<unknown>(found.map((one) => [one.resource, one.flags]).sort()).toEqual([
        [copy, ['SUCCESSFUL']],
        [disk, ['SUCCESSFUL']],
      ]);
    });

    test('a snapshot is deleted as often as wanted', async () => {
      await linstor.deleteSnapshot(disk, 'snap-1');
      expect((await linstor.snapshots({ names: [disk] })).map((one) => one.name)).toEqual(['both']);
      expect((await linstor.deleteSnapshot(disk, 'snap-1')).has('warning', 'WARN_NOT_FOUND')).toBe(true);
      expect((await linstor.deleteSnapshot(bare, 'snap-1')).has('warning', 'WARN_NOT_FOUND')).toBe(true);
    });

    test('spawn makes definition, volume, replica and marks', async () => {
      await linstor.spawn(contractGroup, spawned, [size], { props: { 'Aux/one/spawned': mark } });
      expect(await definition(spawned)).toMatchObject({
        group: contractGroup,
        props: { 'Aux/one/spawned': mark },
        volumes: [{ number: 0, sizeKib: size }],
      });
      expect(await linstor.resources({ names: [spawned] })).toHaveLength(1);
      expect((await refusal(linstor.spawn(contractGroup, spawned, [size]))).linstorCode).toBe(501);
    });

    test('spawn that cannot be placed leaves nothing', async () => {
      const missing = await refusal(linstor.spawn('no-such-group', bare, [size]));
      expect([missing.code, missing.linstorCode]).toEqual(['LINSTOR_NOT_FOUND', 317]);
      const wide = await refusal(linstor.spawn(contractWideGroup, bare, [size]));
      expect([wide.code, wide.linstorCode]).toEqual(['LINSTOR_NO_SPACE', 996]);
      expect(await definition(bare)).toBeUndefined();
    });

    test('definitions only, then placed on a node of choice', async () => {
      await linstor.spawn(contractGroup, bare, [size], { definitionsOnly: true });
      expect(await linstor.resources({ names: [bare] })).toEqual([]);
      await linstor.place(bare, { nodes: [nodeName('charlie')], placeCount: 1, storagePools: ['thin'] });
      expect<unknown>((await linstor.resources({ names: [bare] })).map((one) => one.node)).toEqual([
        'charlie',
      ]);
    });

    test('placing what is placed is a warning; more than there are nodes an error', async () => {
      expect((await linstor.place(bare, { placeCount: 1 })).has('warning', 'WARN_RSC_ALREADY_DEPLOYED')).toBe(
        true,
      );
      expect((await refusal(linstor.place(bare, { placeCount: 9 }))).linstorCode).toBe(996);
      expect(await linstor.resources({ names: [bare] })).toHaveLength(1);
    });

    test('spawn with a placement of its own', async () => {
      const there = resourceName(`${mark}-there`);
      await linstor.spawn(contractGroup, there, [size], {
        filter: { nodes: [nodeName('bravo')], placeCount: 1 },
      });
      expect<unknown>((await linstor.resources({ names: [there] })).map((one) => one.node)).toEqual([
        'bravo',
      ]);
      await linstor.deleteDefinition(there);
    });

    test.skipIf(options.refusedClone === false)(
      'native clone is refused by FILE_THIN and leaves nothing',
      async () => {
        const target = resourceName(`${mark}-clone`);
        const unsupported = await refusal(linstor.clone(disk, target));
        expect([unsupported.code, unsupported.linstorCode]).toEqual(['LINSTOR_UNSUPPORTED', 227]);
        expect(await definition(target)).toBeUndefined();
        const missing = await refusal(linstor.clone(resourceName(`${mark}-none`), target));
        expect([missing.code, missing.linstorCode]).toEqual(['LINSTOR_NOT_FOUND', 301]);
      },
    );

    test('the clone status of what is no clone is undefined', async () => {
      expect(await linstor.cloneStatus(disk, copy)).toBeUndefined();
      expect(await linstor.cloneStatus(disk, resourceName(`${mark}-none`))).toBeUndefined();
    });

    test('a resource is deleted as often as wanted', async () => {
      await linstor.deleteResource(bare, nodeName('charlie'));
      expect(await linstor.resources({ names: [bare] })).toEqual([]);
      expect((await linstor.deleteResource(bare, nodeName('charlie'))).has('warning', 'WARN_NOT_FOUND')).toBe(
        true,
      );
      expect(
        (await linstor.deleteResource(resourceName(`${mark}-none`), nodeName('charlie'))).has(
          'warning',
          'WARN_NOT_FOUND',
        ),
      ).toBe(true);
    });

    test('a definition is deleted as often as wanted', async () => {
      await linstor.deleteDefinition(spawned);
      expect(await definition(spawned)).toBeUndefined();
      expect((await linstor.deleteDefinition(spawned)).has('warning', 'WARN_NOT_FOUND')).toBe(true);
    });

    test('encryption is unset, or the transport cannot tell', async () => {
      expect(await linstor.encryption()).toBe(
        (await linstor.capabilities()).passphraseStatus ? 'unset' : undefined,
      );
    });

    test('controller properties are a flat map', async () => {
      const props = await linstor.controllerProperties();
      expect(props['DrbdOptions/auto-add-quorum-tiebreaker']).toBe('True');
    });

    test('a key-value store comes with its first key and goes with its last', async () => {
      const store = `${mark}-store`;
      expect(await linstor.keyValues(store)).toEqual({});
      await linstor.modifyKeyValues(store, {
        set: { 'one-vm-1-disk-0': '1=a/b', 'with/slash': 'two words' },
      });
      await linstor.modifyKeyValues(store, { set: { other: 'x' }, unset: ['one-vm-1-disk-0', 'not-there'] });
      expect(await linstor.keyValues(store)).toEqual({ 'with/slash': 'two words', other: 'x' });
      await linstor.modifyKeyValues(store, { unset: ['with/slash', 'other'] });
      expect(await linstor.keyValues(store)).toEqual({});
      await linstor.modifyKeyValues(store, { unset: ['other'] });
      await linstor.modifyKeyValues(store, { set: { again: '1' } });
      expect(await linstor.keyValues(store)).toEqual({ again: '1' });
      await linstor.modifyKeyValues(store, { unset: ['again'] });
    });

    test('what a table could not give back is not kept', async () => {
      for (const value of ['', 'a|b', ' a', 'a\nb', '-a']) {
        const kept = linstor.modifyKeyValues(`${mark}-store`, { set: { key: value } });
        expect(await kept.then(String, (error) => error.code)).toBe('INTERNAL');
      }
      expect(await linstor.keyValues(`${mark}-store`)).toEqual({});
    });

    test('errors say what was done, on what, and carry the report', async () => {
      const error = await refusal(linstor.modifyDefinition(disk, { set: { NoSuchKey: '1' } }));
      expect(error.message).toContain(disk);
      expect(error.message).toContain('NoSuchKey');
      expect(error.reports.length).toBeGreaterThan(0);
      const id = error.reports[0] ?? '';
      const [newest] = await linstor.errorReports(Date.now() - 3_600_000);
      expect(newest?.id).toBe(id);
      expect(await linstor.errorReport(id)).toContain(id);
      expect(await linstor.errorReports(Date.now() + 3_600_000)).toEqual([]);
    });

    test('there is no error report of an unknown id', async () => {
      expect(await linstor.errorReport('00000000-00000-000000')).toBeUndefined();
    });
  });
}
