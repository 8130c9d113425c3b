import type { Context } from '../context.ts';
import type { Linstor, NodeName, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import type { KiB } from '../units.ts';
import { attachForCopy, type BridgeDevice, readMachines, releaseAfterCopy } from './bridge.ts';

export interface Volume {
  readonly resource: ResourceName;
  readonly replicas: readonly Resource[];
  readonly sizeKib: KiB;
}

/** The volume's device on the best host for copying, for as long as `work` runs; on `prefer` where that is possible. */
export async function withDevice<T>(
  ctx: Context,
  where: { readonly linstor: Linstor; readonly settings: Settings },
  { resource, replicas, sizeKib }: Volume,
  work: (device: BridgeDevice) => Promise<T>,
  prefer?: NodeName,
): Promise<T> {
  const device = await attachForCopy(ctx, where, {
    resource,
    view: replicas,
    minKib: sizeKib,
    machines: await readMachines(ctx, where.linstor),
    ...(prefer ? { prefer } : {}),
  });
  const result = await work(device);
  await releaseAfterCopy(ctx, where, device);
  return result;
}
