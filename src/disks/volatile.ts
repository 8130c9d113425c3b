import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Resource, ResourceDefinition } from '../linstor/linstor.ts';
import type { DiskTarget } from '../opennebula/target.ts';
import { kibToBytes, type MiB, mibToKib } from '../units.ts';
import { createVolume } from '../volumes/create.ts';
import { prefersNode } from '../volumes/follow.ts';
import { knownView } from '../volumes/known-view.ts';
import { lockName, namesFor } from '../volumes/names.ts';
import { type Plan, planPlacement } from '../volumes/placement.ts';
import { requireOwn } from '../volumes/reclaim.ts';
import { hasNetworkLayer, isReadable, readsZeroWhenNew, replicasOf } from '../volumes/replicas.ts';
import { freeName, present } from '../volumes/stand-in.ts';
import { namesOf } from './attach.ts';
import { diskMarks, isCompleted } from './completed-disk.ts';
import { formatDevice, wipeDevice } from './device-content.ts';
import { type DiskCall, diskOf, openDiskCall, underName } from './disk-call.ts';
import { ensureDiskAttached } from './ensure-attached.ts';
import { wishedNode } from './find-node.ts';
import { requireClosed } from './in-use.ts';

export interface VolatileDisk {
  readonly target: DiskTarget;
  readonly vmId: number;
  readonly datastoreId: number;
  readonly sizeMib: MiB;
  readonly swap: boolean;
}

/** A disk that lives and dies with the VM. Made anew on every try that has not completed in this deployment. */
export async function makeVolatile(ctx: Context, request: VolatileDisk): Promise<void> {
  const call = await openDiskCall(ctx, request.target, request.vmId, request.datastoreId);
  if (call.disk.kind !== 'volatile') {
    throw new DriverError(
      'ONE_INCOMPLETE',
      `disk ${call.disk.id} of VM ${call.vm.id} is not volatile in OpenNebula’s document; nothing was changed`,
    );
  }
  await ctx.lock(lockName(call.diskResource.resource), () => make(ctx, call, request));
}

async function make(ctx: Context, opened: DiskCall, request: VolatileDisk): Promise<void> {
  const proper = opened.diskResource.resource;
  const names = namesFor(proper);
  const [definitions, plan] = await Promise.all([
    opened.linstor.definitions({ names }),
    planPlacement(opened.linstor, opened.settings.placement),
  ]);
  const existing = present(proper, definitions);
  const left = await knownView(
    opened.linstor,
    definitions.map((definition) => definition.name),
  );
  const own = existing ? replicasOf(left, existing.name) : [];
  const whole = isCompleted(opened, existing) && own.filter(isReadable).length >= plan.replicas;
  const view = whole ? own : await makeAnew(ctx, opened, request, plan, { definitions, view: left });
  const call = underName(opened, view[0]?.name ?? proper);
  const device = await ensureDiskAttached(
    ctx,
    { ...diskOf(call), view, minBytes: kibToBytes(mibToKib(request.sizeMib)) },
    call.target.host,
  );
  // Also what an earlier try of this deployment has made: how far it had got is not known, and the VM has never run.
  // No tenant reads what another left in a thick pool.
  if (!readsZeroWhenNew(view)) await wipeDevice(ctx, call.target.host, device);
  if (request.swap) await formatDevice(ctx, call.target.host, device, 'swap');
  else if (call.disk.fs !== '') await formatDevice(ctx, call.target.host, device, call.disk.fs);
}

async function makeAnew(
  ctx: Context,
  call: DiskCall,
  request: VolatileDisk,
  plan: Plan,
  left: { readonly definitions: readonly ResourceDefinition[]; readonly view: readonly Resource[] },
): Promise<readonly Resource[]> {
  const proper = call.diskResource.resource;
  requireOwn(present(proper, left.definitions));
  for (const { name } of left.definitions)
    await requireClosed(ctx, {
      ...diskOf(underName(call, name)),
      view: replicasOf(left.view, name),
      hosts: [call.target.host],
    });
  const name = await freeName(ctx, call.linstor, proper, left);
  const prefer = prefersNode(call.settings) || !hasNetworkLayer(plan.effectiveLayers);
  return createVolume(ctx, call.linstor, {
    name,
    sizeKib: mibToKib(request.sizeMib),
    plan,
    props: diskMarks(call),
    urgent: true,
    ...(prefer ? await wishedNode(namesOf(call), call.target.host) : {}),
  });
}
