import type { Context } from '../context.ts';
import type { Linstor, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type KiB, kibToBytes } from '../units.ts';
import { isReadable } from '../volumes/replicas.ts';
import { attachForCopy, type BridgeDevice, readMachines, releaseAfterCopy } from './bridge.ts';

export interface CopyRequest {
  readonly from: { readonly resource: ResourceName; readonly replicas: readonly Resource[] };
  readonly to: {
    readonly resource: ResourceName;
    readonly replicas: readonly Resource[];
    /** The target is known to read as zero, so zeroes need not be written. */
    readonly readsZero: boolean;
  };
  /** Content to copy; both devices are at least as large. */
  readonly sizeKib: KiB;
  readonly spread?: number;
}

/**
 * Copies one resource's content over another's, byte for byte. Both ends are worked on where a replica has the disk – on one
 * host if there is one that has both – so that only what must travel does.
 */
export async function copyResource(
  ctx: Context,
  where: { settings: Settings; linstor: Linstor },
  request: CopyRequest,
): Promise<void> {
  const { from, to, sizeKib } = request;
  const spread = request.spread === undefined ? {} : { spread: request.spread };
  const common = to.replicas
    .filter(isReadable)
    .find((replica) => from.replicas.some((other) => other.node === replica.node && isReadable(other)));
  const prefer = common ? { prefer: common.node } : {};
  const machines = await readMachines(ctx, where.linstor);
  const target = await attachForCopy(ctx, where, {
    machines,
    resource: to.resource,
    view: to.replicas,
    minKib: sizeKib,
    ...spread,
    ...prefer,
  });
  const source = await attachForCopy(ctx, where, {
    machines,
    resource: from.resource,
    view: from.replicas,
    minKib: sizeKib,
    ...spread,
    prefer: target.node,
  });
  const { copyDevice } = await import('../transfer/copy.ts');
  const { withProgress } = await import('../transfer/progress.ts');
  const { compressTransfer: compress, limitTransferBw, verify, stagingDir } = where.settings;
  const { signal, clock } = ctx;
  await withProgress(ctx.log, `copy of ${from.resource} to ${to.resource}`, clock, (onProgress) =>
    copyDevice(
      ctx.hosts,
      { ...placeOf(source), bytes: kibToBytes(sizeKib) },
      { ...placeOf(target), bytes: target.bytes, readsZero: to.readsZero },
      { compress, limitTransferBw, verify, stagingDir, signal, clock, onProgress },
    ),
  );
  await releaseAfterCopy(ctx, where, source);
  await releaseAfterCopy(ctx, where, target);
}

const placeOf = ({ host, device, identity }: BridgeDevice) => ({ host, device, identity });
