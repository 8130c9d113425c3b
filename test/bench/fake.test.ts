import { describe, expect, test } from 'bun:test';
import { RestLinstor } from '../../src/linstor/rest/rest.ts';
import { monitorMessages } from '../../src/opennebula/monitord-datagrams.ts';
import { readSettings } from '../../src/opennebula/read-settings.ts';
import { clusterDocuments } from '../../src/tools/bench/fake/cluster.ts';
import { FakeController } from '../../src/tools/bench/fake/controller.ts';
import { usageIn } from '../../src/tools/bench/fake/monitord.ts';
import { mib } from '../../src/units.ts';
import { diskUsage } from '../../src/volumes/usage.ts';

const size = { disks: 7, snapshotsEach: 2, nodes: 4 };

async function withController(
  work: (linstor: RestLinstor, controller: FakeController) => Promise<void>,
): Promise<void> {
  const controller = new FakeController(clusterDocuments(size));
  const values = { LS_CONTROLLERS: controller.address };
  const settings = readSettings({ values, linstorCommand: 'linstor', client: {}, ignored: [] });
  try {
    await work(new RestLinstor(settings), controller);
  } finally {
    await controller.stop();
  }
}

describe('the large cluster', () => {
  test('is read by the client: two replicas and a tie-breaker for every disk', () =>
    withController(async (linstor) => {
      const resources = await linstor.resources();
      expect(resources).toHaveLength(size.disks * 3);
      expect(resources.filter((each) => each.flags.includes('TIE_BREAKER'))).toHaveLength(size.disks);
      const places = resources.map(({ name, node }) => `${name}@${node}`);
      expect(new Set(places).size).toBe(places.length);
    }));

  test('has a usage for every disk and snapshot', () =>
    withController(async (linstor) => {
      const usage = diskUsage('', 100, await linstor.definitions(), await linstor.resources());
      expect(usage).toHaveLength(size.disks);
      expect(usage.every((disk) => disk.sizeMib === mib(3072) && disk.snapshots.length === 2)).toBe(true);
    }));

  test('counts what was asked, and answers an unknown path with 404', () =>
    withController(async (linstor, controller) => {
      await linstor.nodes();
      expect(controller.takeCalls()).toEqual(['GET /v1/nodes']);
      expect(controller.takeCalls()).toEqual([]);
      expect((await fetch(`${controller.address}/v1/none`)).status).toBe(404);
    }));

  test('has the capacities of diskless pools as LINSTOR writes them', () =>
    withController(async (_linstor, controller) => {
      const text = await (await fetch(`${controller.address}/v1/view/storage-pools`)).text();
      expect(text).toContain('"free_capacity":9223372036854775807,');
    }));
});

describe('what monitord is told', () => {
  const disk = (vmId: number, diskId: number) => ({
    vmId,
    diskId,
    sizeMib: mib(5),
    snapshots: [{ id: 0, sizeMib: mib(1) }],
  });

  test('is read back whole', () => {
    const texts = monitorMessages([disk(1, 0), disk(1, 1), disk(2, 0)])
      .map(usageIn)
      .join('\n');
    expect(texts.match(/\bDISK_SIZE=/g)).toHaveLength(3);
    expect(texts.match(/\bSNAPSHOT_SIZE=/g)).toHaveLength(3);
  });

  test('and nothing else is', () => {
    expect(() => usageIn('MONITOR_HOST SUCCESS 1 0 x\n')).toThrow('no message for monitord');
  });
});
