import { dirname } from 'node:path';
import type { Context } from '../../context.ts';
import { diskSettings } from '../../disks/disk-call.ts';
import { ensureDiskDetached, warnOf } from '../../disks/ensure-detached.ts';
import { ourLinkNames } from '../../disks/migration-disks.ts';
import { leavesSource } from '../../disks/move-disk.ts';
import { moveDirectory, type Place } from '../../hosts/scripts/directories.ts';
import { isSharedDirectory } from '../../hosts/scripts/shared-marker.ts';
import { largeDirectoryMib, sendDirectory } from '../../hosts/send-directory.ts';
import { isRegularFile, relocateDirectory } from '../../hosts/vm-directory.ts';
import type { Linstor } from '../../linstor/linstor.ts';
import { type Move, mayHaveCheckpoint, moveOf } from '../../opennebula/move-kind.ts';
import type { Vm } from '../../opennebula/one.ts';
import type { Settings } from '../../opennebula/settings.ts';
import type { DiskTarget, PathTarget } from '../../opennebula/target.ts';
import { type Checkpoint, findCheckpoint } from '../../volumes/checkpoint.ts';

export interface DirectoryMove {
  readonly source: Exclude<PathTarget, DiskTarget>;
  readonly destination: Exclude<PathTarget, DiskTarget>;
  readonly vmId: number;
}

/** Time for a large checkpoint file, where the storage has no network layer. */
const copyTimeoutMs = 4 * 60 * 60_000;

/**
 * What is in the VM's directory besides our disks: context ISO, NVRAM, TPM state, libvirt's files, other TMs' disks. Our links
 * are left out: those of the destination are already made, and the source's may name devices of that host.
 * A dead source is not spoken to; everything in its directory is created again.
 */
export async function moveVmDirectory(
  ctx: Context,
  { source, destination, vmId }: DirectoryMove,
): Promise<void> {
  const [vm, settings] = await Promise.all([
    ctx.one.vm(vmId),
    diskSettings(ctx, destination.systemDatastoreId, destination.systemDatastoreId),
  ]);
  const kind = moveOf(vm.lcmState, ctx.hosts.isFrontend(source.host), ctx.hosts.isFrontend(destination.host));
  if (kind === 'rescue') {
    ctx.log.info(`the files of VM ${vmId} on ${source.host} are not moved: the host is gone`);
    return;
  }
  const linstor = ctx.linstor(settings);
  const checkpoint = mayHaveCheckpoint(vm.lcmState)
    ? await findCheckpoint(linstor, settings, vmId)
    : undefined;
  const left = checkpoint && !(await isRegularFile(ctx.hosts, source.host, `${source.path}/checkpoint`));
  await moveFiles(ctx, {
    source,
    destination,
    skip: [...ourLinkNames(vm), ...(left ? ['checkpoint'] : [])],
    large: mayHaveCheckpoint(vm.lcmState) && !left,
  });
  if (checkpoint)
    await leaveCheckpoint(ctx, { vm, settings, linstor, checkpoint, kind, source, destination });
}

interface FilesMove {
  readonly source: PathTarget;
  readonly destination: PathTarget;
  /** Names that stay behind. */
  readonly skip: readonly string[];
  /** The memory of the VM may be among them. */
  readonly large: boolean;
}

async function moveFiles(ctx: Context, { source, destination, skip, large }: FilesMove): Promise<void> {
  const sameHost = source.host.toLowerCase() === destination.host.toLowerCase();
  if (sameHost) {
    await relocateDirectory(ctx.hosts, source.host, source.path, destination.path, skip);
    return;
  }
  const from = { host: source.host, directory: source.path };
  const to = { host: destination.host, directory: destination.path };
  const through = (limitMib: number) =>
    moveDirectory(ctx.hosts, from, to, { skip, limitMib, timeoutMs: copyTimeoutMs, signal: ctx.signal });
  const direct = large && !ctx.hosts.isFrontend(source.host) && !ctx.hosts.isFrontend(destination.host);
  let moved = await through(direct ? largeDirectoryMib : 0);
  if (moved === 'large' && !(await sendLarge(ctx, from, to, skip))) moved = await through(0);
  if (moved === 'nothing')
    ctx.log.info(`${source.path} is shared by ${source.host} and ${destination.host}, or already moved`);
}

/** Straight from host to host; false where that is not possible. */
async function sendLarge(ctx: Context, from: Place, to: Place, skip: readonly string[]): Promise<boolean> {
  const { hosts, signal } = ctx;
  const samePath = from.directory === to.directory;
  if (samePath && (await isSharedDirectory(hosts, to.host, from.host, dirname(to.directory), { signal })))
    return false;
  if (await sendDirectory(hosts, from, to, skip, copyTimeoutMs)) return true;
  ctx.log.info(`${from.host} cannot reach ${to.host} by ssh; the files of the VM go through the front-end`);
  return false;
}

interface CheckpointMove {
  readonly vm: Vm;
  readonly settings: Settings;
  readonly linstor: Linstor;
  readonly checkpoint: Checkpoint;
  readonly kind: Move;
  readonly source: PathTarget;
  readonly destination: PathTarget;
}

/** The volume is attached again, and linked, where `restore` wants it; here it only leaves the host that the VM leaves. */
async function leaveCheckpoint(ctx: Context, move: CheckpointMove): Promise<void> {
  const { linstor, settings, checkpoint, kind, source, destination } = move;
  if (!leavesSource(kind, source.host, destination.host)) return;
  await ensureDiskDetached(ctx, { ...checkpoint, linstor, settings }, source.host, {
    olderViews: true,
    lockEach: true,
    onFailure: warnOf(ctx, source.host),
  });
}
