import { type LabSnapshot, OneRefusal, type SnapshotList } from './model.ts';

/**
 * oned's book-keeping of a disk's snapshots (contract §3.6). ALLOW and LINEAR keep a flat list, DENY a chain below
 * the active snapshot, MIXED hangs new ones below the last one that was reverted to.
 */

const flat = (list: SnapshotList): boolean => list.allowOrphans === 'YES' || list.allowOrphans === 'LINEAR';
const of = (list: SnapshotList, id: number): LabSnapshot | undefined =>
  list.snapshots.find((each) => each.id === id);

function activate(list: SnapshotList, id: number): void {
  for (const each of list.snapshots) each.active = each.id === id;
}

/** Returns the id: ids only grow while the list lives. */
export function addToTree(list: SnapshotList, spec: { name: string; date: number; sizeMb: number }): number {
  const id = list.next++;
  const active = list.snapshots.find((each) => each.active)?.id ?? -1;
  const parent = flat(list) ? -1 : list.allowOrphans === 'MIXED' ? list.currentBase : active;
  of(list, parent)?.children.push(id);
  list.snapshots.push({ id, ...spec, parent, children: [], active: false });
  activate(list, id);
  return id;
}

export function removeFromTree(list: SnapshotList, id: number): void {
  const snapshot = of(list, id);
  if (!snapshot) return;
  if (!flat(list) && snapshot.children.length > 0) throw new OneRefusal(`Snapshot ${id} has children.`);
  const parent = of(list, snapshot.parent);
  if (parent) parent.children = parent.children.filter((each) => each !== id);
  list.snapshots = list.snapshots.filter((each) => each.id !== id);
}

export function revertTree(list: SnapshotList, id: number): void {
  // LINEAR: whatever is younger is forgotten, and the driver has destroyed it.
  if (list.allowOrphans === 'LINEAR') list.snapshots = list.snapshots.filter((each) => each.id <= id);
  if (list.allowOrphans === 'MIXED') list.currentBase = id;
  activate(list, id);
}
