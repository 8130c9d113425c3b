import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { ResourceDefinition } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { kib } from '../../src/units.ts';
import { isPlainVolume, otherFirstReplica } from '../../src/volumes/first-replica.ts';
import { startLab, type TestLab } from '../support/lab.ts';

const named = (node?: string): ResourceDefinition => ({
  name: resourceName('one-image-1'),
  group: 'drbd',
  flags: [],
  props: {},
  layers: ['DRBD', 'STORAGE'],
  volumes: [
    {
      number: 0,
      sizeKib: kib(8192),
      flags: ['DRBD_INITIALIZED'],
      props: node === undefined ? {} : { 'Linstor/Drbd/InitialUptoDateOn': node },
    },
  ],
});

describe('the first replica', () => {
  test('is another one only where the restore leaves out the one that LINSTOR names', () => {
    expect(otherFirstReplica(named('NODE1'), [nodeName('node2'), nodeName('node1')])).toBeUndefined();
    expect(otherFirstReplica(named(), [nodeName('node2')])).toBeUndefined();
    expect(otherFirstReplica(named('NODE1'), [])).toBeUndefined();
    expect<unknown>(otherFirstReplica(named('NODE1'), [nodeName('node2')])).toEqual({
      node: 'node2',
      volumes: [0],
    });
  });

  test('says nothing else about a volume', () => {
    expect(isPlainVolume({ flags: [] })).toBe(true);
    expect(isPlainVolume({ flags: ['DRBD_INITIALIZED'] })).toBe(true);
    expect(isPlainVolume({ flags: ['DRBD_INITIALIZED', 'ENCRYPTED'] })).toBe(false);
    expect(isPlainVolume({ flags: ['GROSS_SIZE'] })).toBe(false);
  });
});

/** LINSTOR fills up the replicas of a disk that was cloned while the image's first node was away. */
describe.each([
  ['rest', '1.33'],
  ['cli', '1.33'],
  ['rest', '1.35'],
] as const)(
  'a clone without the node of the image’s first replica (%s, LINSTOR %s)',
  (transport, generation) => {
    let lab: TestLab;
    beforeAll(async () => {
      lab = await startLab({ generation });
    });
    afterAll(() => lab.stop());

    test('holds the image’s content there too, once LINSTOR puts a replica on it', async () => {
      const { one } = lab;
      const template = {
        RESOURCE_GROUP: 'drbd',
        SAFE_DIRS: lab.cluster.paths.images,
        TRANSPORT: transport,
        CLONE_MODE: 'snapshot',
      };
      const images = await one.createDatastore({ name: 'i', type: 'IMAGE', template });
      const system = await one.createDatastore({ name: 's', type: 'SYSTEM', template });
      const path = `${lab.cluster.paths.images}/first.raw`;
      await Bun.write(path, new Uint8Array(4 << 20).fill(65));
      const { image } = await one.createImage({ name: 'image', datastore: images.datastore, path });
      const definition = (await lab.linstor(
        'GET',
        `/v1/resource-definitions/one-image-${image}/volume-definitions/0`,
      )) as { props: Record<string, string>; flags: string[] };
      expect(definition.flags).toEqual(['DRBD_INITIALIZED']);
      const view = (await lab.linstor('GET', `/v1/view/resources?resources=one-image-${image}`)) as {
        node_name: string;
        flags?: string[];
      }[];
      const nodes = view
        .filter(({ flags }) => !flags?.includes('DISKLESS'))
        .map(({ node_name }) => node_name);
      const first = nodes.find(
        (node) => node.toUpperCase() === definition.props['Linstor/Drbd/InitialUptoDateOn'],
      );
      const other = nodes.find((node) => node !== first);
      if (first === undefined || other === undefined) throw new Error(`replicas on ${nodes.join()}`);

      await lab.served.linstor.lab.setConnection(first, 'OFFLINE');
      const { vm } = await one.instantiate(
        { name: 'vm', disks: [{ image }] },
        { host: other, datastore: system.datastore },
      );
      await lab.served.linstor.lab.setConnection(first, 'ONLINE');
      const disk = `one-vm-${vm}-disk-0`;
      const { props } = (await lab.linstor('GET', `/v1/resource-definitions/${disk}`)) as {
        props: Record<string, string>;
      };
      // Nor may LINSTOR add one in the call that restores.
      expect(props['Snapshot/BalanceAfterRestore']).toBe(generation === '1.35' ? 'false' : undefined);
      // As LINSTOR's own task does that looks after the number of replicas.
      await lab.linstor('POST', `/v1/resource-definitions/${disk}/resources/${first}/make-available`, {
        diskful: true,
      });
      const replica = (await lab.linstor('GET', `/v1/view/resources?resources=${disk}&nodes=${first}`)) as {
        flags?: string[];
        volumes: { device_path: string }[];
      }[];
      expect(replica[0]?.flags ?? []).toEqual([]);
      const device = replica[0]?.volumes[0]?.device_path ?? '';
      expect(lab.read(first, device, 0, 8)).toBe('AAAAAAAA');
    });
  },
);
