import type { Context } from '../context.ts';
import { vmDisks } from '../disks/migration-disks.ts';
import type { BackupConfig } from '../opennebula/backup-config.ts';
import type { BackupMessage } from '../opennebula/backup-message.ts';
import { removeResource } from '../volumes/remove.ts';
import { sameName } from '../volumes/replicas.ts';
import { dropSnapshot } from '../volumes/snapshot.ts';
import { scratchOf } from './device.ts';
import { pointName } from './points.ts';

/**
 * What a backup that was killed left in LINSTOR: temporary resources, and the snapshot of a full backup. The snapshots of a chain stay,
 * whatever OpenNebula says of the outcome (points.ts). Two calls when there is nothing.
 */
export async function tidyAfter(ctx: Context, message: BackupMessage, config: BackupConfig): Promise<void> {
  const { vm, vmId, directory, datastoreId } = message;
  const all = await vmDisks(ctx, vm, directory, datastoreId, true);
  const disks = all.filter((each) => message.diskIds.includes(each.disk.id));
  const scratches = disks.flatMap((disk) =>
    (['new', 'old'] as const).map((role) => ({ disk, name: scratchOf(vmId, disk, role) })),
  );
  for (const linstor of new Set(disks.map((disk) => disk.linstor))) {
    const mine = scratches.filter(({ disk }) => disk.linstor === linstor);
    const left = await linstor.definitions({ names: mine.map(({ name }) => name) });
    for (const { name } of mine)
      if (left.some((definition) => sameName(definition.name, name) && !definition.flags.includes('DELETE')))
        await removeResource(ctx, linstor, name);
  }
  if (config.mode !== 'FULL') return;
  for (const disk of disks) {
    const name = pointName(disk.sharing === 'exclusive' ? {} : { vmId }, 'full');
    const snapshots = await disk.linstor.snapshots({ names: [disk.resource] });
    if (snapshots.some((snapshot) => sameName(snapshot.name, name)))
      await dropSnapshot(ctx, disk.linstor, disk.resource, name);
  }
}
