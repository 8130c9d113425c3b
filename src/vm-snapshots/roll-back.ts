import { allDone } from '../all-done.ts';
import { bringBack } from '../backup/bring-back.ts';
import type { BackupDisk } from '../backup/disks.ts';
import { takeTogether } from '../backup/take.ts';
import type { Context } from '../context.ts';
import { ensureAttached } from '../disks/ensure-attached.ts';
import { growDisk } from '../disks/grow.ts';
import { revert } from '../disks/revert.ts';
import { removeNote, writeNote } from '../disks/revert-note.ts';
import { DriverError, toDriverError } from '../errors.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { type KiB, kibToBytes } from '../units.ts';
import { revertSnapshotName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { dropSnapshot, isUsable } from '../volumes/snapshot.ts';
import { persistently } from '../volumes/wait.ts';
import type { SnapshotVm } from './vm-disks.ts';

/** Throws SNAPSHOT with the disks that lack it: one that was attached later cannot be reverted with the others. */
export function requireOnAll({ vm, disks }: Pick<SnapshotVm, 'vm' | 'disks'>, name: string): void {
  const lacking = disks.filter(
    ({ snapshots }) => !snapshots.some((each) => sameName(each.name, name) && isUsable(each)),
  );
  if (lacking.length === 0) return;
  const list = lacking.map(({ disk, resource }) => `disk ${disk.id} (${resource})`).join(', ');
  throw new DriverError(
    'SNAPSHOT',
    lacking.length === disks.length
      ? `VM ${vm.id} has no snapshot ${name} in LINSTOR`
      : `snapshot ${name} of VM ${vm.id} does not hold ${list}: attached after it was taken`,
    lacking.length === disks.length
      ? {}
      : { remedy: 'detach these disks and revert again; they can be attached afterwards' },
  );
}

/** Shared with whoever starts the VM again: do all disks hold content of one moment? */
export interface Wholeness {
  whole: boolean;
}

export interface RolledBack {
  /** Noted for whoever comes later that all disks hold the new content. Call it before anybody may write to them. */
  noteDone(): Promise<void>;
  /** Nothing brings the old content back any more; it goes. What stays is told. */
  finish(): Promise<void>;
}

/**
 * All disks hold what the snapshot holds, or all what they held before: until `finish`, failure and signals bring that back. Nobody has the
 * disks open, and the caller holds their locks. Younger snapshots stay; a disk that has grown since stays as large as it is.
 * `isClosed`: is it certain that nobody has opened them since `noteDone`?
 */
export async function rollBackTogether(
  ctx: Context,
  target: SnapshotVm,
  name: string,
  isClosed: () => Promise<boolean>,
  wholeness: Wholeness = { whole: true },
): Promise<RolledBack> {
  const { vm, place, linstor, disks } = target;
  const seq = vm.history.at(-1)?.seq ?? 0;
  const safety = revertSnapshotName(vm.id);
  const noted = disks[0]?.resource as ResourceName;
  let touched = false;
  let done = false;
  const forget = ctx.undo.push(`bring back what the disks of VM ${vm.id} held`, async () => {
    if (done) {
      if (!(await isClosed()))
        throw new DriverError(
          'IN_USE',
          `VM ${vm.id} may be running on the reverted disks; they stay as they are`,
        );
      await writeNote(linstor, noted, { state: 'reverting', seq });
    }
    // When this fails, the snapshots and the note stay: they are all that there is of the old content.
    if (touched) {
      wholeness.whole = false;
      await bringBack(ctx, place.host, disks, safety);
      wholeness.whole = true;
    }
    for (const { resource } of disks) await linstor.deleteSnapshot(resource, safety);
    if (touched) await removeNote(linstor, noted);
  });
  for (const { resource, snapshots } of disks)
    if (snapshots.some((each) => sameName(each.name, safety)))
      await dropSnapshot(ctx, linstor, resource, safety);
  await takeTogether(ctx, {
    linstor,
    points: disks.map(({ resource }) => ({ resource, snapshot: safety })),
    window: { host: place.host, mode: 'NONE', seconds: 1 },
    keeps: true,
  });
  touched = true;
  wholeness.whole = false;
  await writeNote(linstor, noted, { state: 'reverting', seq });
  await allDone(disks.map((disk) => rollBackOne(ctx, disk, place.host, name)));
  await ensureAttached(
    ctx,
    disks.map(({ resource, linstor: own, settings, link }) => ({
      resource,
      linstor: own,
      settings,
      link,
      keepsLink: true,
    })),
    place.host,
  );
  return {
    noteDone: async () => {
      await writeNote(linstor, noted, { state: 'done', seq });
      done = true;
      wholeness.whole = true;
    },
    finish: async () => {
      forget();
      await tidyRevert(ctx, linstor, disks, safety, noted);
    },
  };
}

async function rollBackOne(ctx: Context, disk: BackupDisk, host: string, snapshot: string): Promise<void> {
  const { settings, linstor, resource } = disk;
  const before = disk.definition.volumes[0]?.sizeKib ?? (0 as KiB);
  const size = await revert(ctx, { settings, linstor, resource, snapshot, hosts: [host] });
  if (size < before) {
    ctx.log.info(
      `${resource} has grown since the snapshot (${kibToBytes(size)} bytes then); it stays as large`,
    );
    await growDisk(ctx, { settings, linstor, resource, host }, before);
  }
}

/** The snapshots of the old content go, the note last. Never fails: the next start of the VM, the next revert or gc ends it. */
export async function tidyRevert(
  ctx: Context,
  linstor: Linstor,
  disks: readonly { readonly resource: ResourceName }[],
  safety: string,
  noted: ResourceName,
): Promise<void> {
  try {
    for (const { resource } of disks)
      await persistently(ctx.clock, () => dropSnapshot(ctx, linstor, resource, safety));
    await persistently(ctx.clock, () => removeNote(linstor, noted));
  } catch (error) {
    ctx.log.warn(`what the disks held before stays in snapshot ${safety}: ${toDriverError(error).message}`);
  }
}
