import { afterEach, describe, expect, test } from 'bun:test';
import { snapshotCreate } from '../../../src/actions/vmm/snapshot-create.ts';
import { snapshotDelete } from '../../../src/actions/vmm/snapshot-delete.ts';
import { snapshotRevert } from '../../../src/actions/vmm/snapshot-revert.ts';
import {
  type DiskSpec,
  datastoreXml,
  isolated,
  MovingLab,
  type MovingLabOptions,
  vmXml,
} from '../../support/moving-lab.ts';

const labs: MovingLab[] = [];
afterEach(() => {
  for (const lab of labs.splice(0)) lab.remove();
});

const stock = 'echo "$0 $*" | sed "s:.*/::" >>"$LAB/calls"; cat >"$LAB/stdin"; echo "snap-3 made"';

function makeLab(disks: readonly DiskSpec[], options: Partial<MovingLabOptions> = {}): MovingLab {
  const lab = new MovingLab({ vm: { id: 7, lcm: 'HOTPLUG_SNAPSHOT', disks }, ...options });
  labs.push(lab);
  for (const name of ['create', 'revert', 'delete']) lab.script(`scripts/vmm/kvm/snapshot_${name}`, stock);
  for (const host of ['host1', 'host2', 'host3'])
    lab.script(`hosts/${host}/bin/virsh`, 'echo "virsh $*" >>"$LAB/virsh"; exit 1');
  return lab;
}

const actions = { create: snapshotCreate, revert: snapshotRevert, delete: snapshotDelete } as const;

function run(lab: MovingLab, what: keyof typeof actions, word: string, tmMad = 'linstor_un') {
  const xml = `<VMM_DRIVER_ACTION_DATA><HOST>host1</HOST>${vmXml(lab.vm)}${datastoreXml(100, tmMad)}</VMM_DRIVER_ACTION_DATA>`;
  return lab.run(actions[what], {
    kind: 'vmm',
    name: `snapshot_${what}_linstor_un`,
    argv: ['one-7', word, '7', 'host1'],
    stdin: Buffer.from(xml).toString('base64'),
  });
}

describe.skipIf(!isolated)('snapshots of whole VMs', () => {
  test('a VM without a disk of ours: the stock script, same arguments, decoded document, its reply', async () => {
    const lab = makeLab([
      { id: 0, kind: 'clone', tmMad: 'ceph' },
      // Nothing that the VM writes to.
      { id: 1, kind: 'cdrom' },
    ]);
    expect(await run(lab, 'create', '3', 'ceph')).toEqual({ reply: 'snap-3 made' });
    expect(await run(lab, 'revert', 'snap-3', 'ceph')).toEqual({ reply: 'snap-3 made' });
    expect(await run(lab, 'delete', 'snap-3', 'ceph')).toEqual({ reply: 'snap-3 made' });
    expect(lab.file('calls').trim().split('\n')).toEqual([
      'snapshot_create one-7 3 7 host1',
      'snapshot_revert one-7 snap-3 7 host1',
      'snapshot_delete one-7 snap-3 7 host1',
    ]);
    expect(lab.file('stdin')).toStartWith('<VMM_DRIVER_ACTION_DATA>');
    expect([lab.linstor.reads, lab.linstor.writes]).toEqual([0, []]);
  });

  test('disks of other drivers are named, and nothing is touched', async () => {
    const lab = makeLab([
      { id: 0, kind: 'clone' },
      { id: 2, kind: 'persistent', tmMad: 'ceph', image: 4 },
      { id: 3, kind: 'cdrom', tmMad: 'ssh' },
      { id: 5, kind: 'volatile', tmMad: 'ssh' },
    ]);
    lab.linstor.add('one-vm-7-disk-0', ['host1', 'host2']);
    for (const [what, word] of [
      ['create', '0'],
      ['revert', 'one-vm-7-snapshot-0'],
    ] as const) {
      const { error } = await run(lab, what, word);
      expect(error?.code).toBe('NOT_SUPPORTED');
      expect(error?.message).toContain('disk 2 (driver “ceph”), disk 5 (driver “ssh”).');
    }
    expect(lab.linstor.writes).toEqual([]);
    expect(lab.calls.filter((call) => call.includes('guest') || call.includes('domain'))).toEqual([]);
  });

  test('refused while two nodes have a disk open', async () => {
    const lab = makeLab([{ id: 0, kind: 'clone' }]);
    lab.linstor.add('one-vm-7-disk-0', ['host1', 'host2']);
    for (const host of ['host1', 'host2']) lab.linstor.setInUse('one-vm-7-disk-0', host, true);
    const { error } = await run(lab, 'create', '0');
    expect(error?.code).toBe('LINSTOR_IN_USE');
    expect(error?.message).toContain('open on host1 and host2: a live migration is under way');
    expect(lab.linstor.writes).toEqual([]);
  });

  test('what is no snapshot of this VM; one that LINSTOR does not have', async () => {
    const lab = makeLab([{ id: 0, kind: 'clone' }]);
    lab.linstor.add('one-vm-7-disk-0', ['host1', 'host2']);
    const other = await run(lab, 'revert', 'one-vm-8-snapshot-0');
    expect(other.error?.message).toContain('“one-vm-8-snapshot-0” is not a snapshot of VM 7');
    // After `onevm recover --success` OpenNebula has its own number.
    for (const word of ['4', 'snap-4', 'one-vm-7-snapshot-4']) {
      const missing = await run(lab, 'revert', word);
      expect(missing.error?.code).toBe('SNAPSHOT');
      expect(missing.error?.message).toContain('VM 7 has no snapshot one-vm-7-snapshot-4 in LINSTOR');
    }
    // What is not there is deleted.
    expect(await run(lab, 'delete', 'one-vm-7-snapshot-4')).toEqual({ reply: undefined });
    expect(lab.calls.filter((call) => call.includes('domain'))).toEqual([]);
  });
});
