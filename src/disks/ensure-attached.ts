import { allDone } from '../all-done.ts';
import type { Context } from '../context.ts';
import type { HostDevice } from '../hosts/scripts/identity.ts';
import type { DiskLink } from '../hosts/scripts/link-disks.ts';
import type { Linstor, Replica, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type Bytes, bytes } from '../units.ts';
import type { Sharing } from '../volumes/disk.ts';
import { lockName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { type Attachment, attach } from './attach.ts';
import { allowTwoPrimaries, attachMigrating, type Migrating } from './dual-primary.ts';
import { unwipedFrom, wipeGrowth } from './grown.ts';
import { linkAttached } from './link.ts';

/** A disk that must be usable on a host. */
export interface DiskToAttach {
  readonly resource: ResourceName;
  readonly linstor: Linstor;
  readonly settings: Pick<Settings, 'nodeMap' | 'disklessPool'>;
  /** The resource's replicas, already read. */
  readonly view?: readonly Replica[] | undefined;
  /** As it is now, under the lock. */
  readonly definition?: Pick<ResourceDefinition, 'props'> | undefined;
  /** Becomes a link to the device; absent: the device is only waited for. */
  readonly link?: string;
  /** The VM has had the link before: it stays when the action fails. */
  readonly keepsLink?: boolean;
  /** The device is at least as large. Absent: of any size, DISK/SIZE is no measure of what a bash driver has reverted (contract §9.1 no. 11). */
  readonly minBytes?: Bytes;
  /** Who may write, for a live migration. Absent: one VM. */
  readonly sharing?: Sharing;
}

export interface AttachTogether {
  /** A live migration: the VM goes on using them on this host for a while. The disks come with their replicas. */
  readonly migratingFrom?: string;
  /** Takes the lock of each resource while LINSTOR works on it; else the caller holds it. */
  readonly lockEach?: boolean;
  /** Makes the links along with other work on the host. */
  readonly linkFirst?: ((links: readonly DiskLink[]) => Promise<unknown>) | undefined;
  /** Milliseconds to wait for a device node. */
  readonly waitMs?: number;
}

/** A disk that is usable on a host. */
export interface AttachedDisk extends Attachment {
  /** By which it was found there; none where `linkFirst` has linked it. */
  readonly device: string;
  readonly bytes: Bytes;
  /** Of one of its sectors. */
  readonly sector: Bytes;
}

/**
 * All these disks are usable on `host`: LINSTOR has them there, their devices are large enough, and their links lead to them. One
 * ssh session, unless a device has another name than expected. What is made for it is on the undo stack.
 *
 * Errors: those of `attach`; DEVICE_MISSING, DEVICE_SIZE, HOST_UNREACHABLE.
 */
export async function ensureAttached(
  ctx: Context,
  disks: readonly DiskToAttach[],
  host: string,
  options: AttachTogether = {},
): Promise<readonly AttachedDisk[]> {
  const { migratingFrom, lockEach, linkFirst, waitMs } = options;
  const attachOne = (disk: DiskToAttach): Promise<Attachment> =>
    migratingFrom === undefined
      ? attach(ctx, disk, host, { view: disk.view })
      : attachMigrating(ctx, migrating(disk), host);
  const attachments = await allDone(
    disks.map((disk) =>
      lockEach ? ctx.lock(lockName(disk.resource), () => attachOne(disk)) : attachOne(disk),
    ),
  );
  const linked = await linkAttached(
    ctx,
    host,
    disks.flatMap((disk, index) => {
      const attachment = attachments[index];
      return attachment ? { ...disk, attachment, minBytes: disk.minBytes ?? bytes(1) } : [];
    }),
    { linkFirst, ...(waitMs === undefined ? {} : { waitMs }) },
  );
  await wipeWhereGrown(
    ctx,
    disks.flatMap((disk, index) => {
      const attachment = attachments[index];
      return attachment ? [{ disk, attachment, found: linked[index] }] : [];
    }),
    lockEach === true,
  );
  return attachments.map((attachment, index) => ({
    ...attachment,
    device: linked[index]?.device ?? '',
    bytes: linked[index]?.bytes ?? bytes(0),
    sector: linked[index]?.sector ?? bytes(512),
  }));
}

interface Found {
  readonly disk: DiskToAttach;
  readonly attachment: Attachment;
  readonly found: HostDevice | undefined;
}

/** What their definitions say is asked of each controller at once, and only where it is not known that nothing can be there. */
async function wipeWhereGrown(ctx: Context, all: readonly Found[], lockEach: boolean): Promise<void> {
  const doubtful = all.filter(
    ({ disk, attachment }) =>
      attachment.growsDirty !== false && (!disk.definition || unwipedFrom(disk.definition) !== undefined),
  );
  const byLinstor = Map.groupBy(doubtful, ({ disk }) => disk.linstor);
  await allDone(
    [...byLinstor].map(async ([linstor, group]) => {
      const definitions = await linstor.definitions({ names: group.map(({ disk }) => disk.resource) });
      const grown = group.filter(({ disk }) =>
        definitions.some(
          ({ name, props }) => sameName(name, disk.resource) && unwipedFrom({ props }) !== undefined,
        ),
      );
      await allDone(
        grown.map(({ disk, attachment, found }) => {
          const wipe = () => wipeGrowth(ctx, linstor, attachment, found);
          return lockEach ? ctx.lock(lockName(disk.resource), wipe) : wipe();
        }),
      );
    }),
  );
}

const migrating = (disk: DiskToAttach): Migrating => ({
  ...disk,
  view: disk.view ?? [],
  sharing: disk.sharing ?? 'exclusive',
});

/**
 * Both ends of a live migration may open the disks, from now on. Its own step, and the last one: libvirt's hand-over is all that needs
 * it, while files and other drivers' disks may take their time. Nothing where LINSTOR manages it.
 */
export async function letBothOpen(
  ctx: Context,
  disks: readonly DiskToAttach[],
  attached: readonly AttachedDisk[],
  hosts: readonly string[],
): Promise<void> {
  await allDone(
    disks
      .filter((_, index) => !attached[index]?.managed)
      .map((disk) => ctx.lock(lockName(disk.resource), () => allowTwoPrimaries(ctx, migrating(disk), hosts))),
  );
}

/** The same for one. */
export async function ensureDiskAttached(
  ctx: Context,
  disk: DiskToAttach,
  host: string,
  options: AttachTogether = {},
): Promise<AttachedDisk> {
  const [attached] = await ensureAttached(ctx, [disk], host, options);
  if (!attached) throw new TypeError('one disk is one attachment');
  return attached;
}
