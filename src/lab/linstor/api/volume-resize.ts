import type { LabDefinition, VolumeDefinition } from '../model/definition.ts';
import { backingKib } from '../model/drbd.ts';
import { doesAnswer, findNode, isOnline } from '../model/node.ts';
import { findPool, freeKib, traitsOf } from '../model/pool.ts';
import { clearFlags, diskful, isDrbd, setFlags } from '../model/resource.ts';
import { diskState } from '../model/resource-view.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { resizeVolume } from '../satellite/device.ts';
import { pass } from '../satellite/pass.ts';

/** Changing the size of a volume: what is refused, and the rounds on the satellites (linstor-behaviour §3.8). */

export const MAX_KIB = 1099511627776;

export function checkResize(
  lab: Runtime,
  definition: LabDefinition,
  volume: VolumeDefinition,
  size: number,
): void {
  if (size === volume.sizeKib) return;
  const { generation } = lab;
  const deployed = definition.resources.length > 0;
  const drbd = deployed ? definition.resources.some(isDrbd) : false;
  const shrinks = size < volume.sizeKib;
  if (size < 1 || (drbd && (size < 4 || size > MAX_KIB))) {
    throw new Refusal(206, `The given size [${size}KiB] is ${size < 4 ? 'too small' : 'too big'}`);
  }
  if (shrinks && drbd && generation.refusesDrbdShrink) {
    throw new Refusal(
      206,
      "Shrinking volumes is not supported by layer 'DRBD'. Volumes can only grow in size.",
    );
  }
  if (shrinks && definition.resources.some((resource) => resource.layers.includes('NVME'))) {
    throw new Refusal(
      206,
      "Shrinking volumes is not supported by layer 'NVME'. Volumes can only grow in size.",
    );
  }
  if (drbd && definition.props['DrbdOptions/ExactSize']?.toLowerCase() === 'true') {
    throw new Refusal(
      213,
      "Volume definition must not be resized while the resource-definition has the property '' set!",
      { report: true },
    );
  }
  if (drbd && generation.resizeNeedsUpToDate) checkUpToDate(lab, definition);
  if (!shrinks) checkThickSpace(lab, definition, volume, size);
}

/** Every diskful replica has to be there and in sync; unknown counts as not (linstor-behaviour §3.8). */
export function allUpToDate(lab: Runtime, definition: LabDefinition): boolean {
  return diskful(definition)
    .filter(isDrbd)
    .every(
      (resource) =>
        isOnline(findNode(lab.state, resource.node)) &&
        resource.volumes.every((item) => diskState(item, lab.now(), false) === 'UpToDate'),
    );
}

function checkUpToDate(lab: Runtime, definition: LabDefinition): void {
  if (allUpToDate(lab, definition)) return;
  throw new Refusal(974, 'Cannot resize volume, because we have a non-UpToDate DRBD device.');
}

/** Thick pools only: thin ones are not checked at all (recorded). */
function checkThickSpace(
  lab: Runtime,
  definition: LabDefinition,
  volume: VolumeDefinition,
  size: number,
): void {
  const drbd = definition.resources.some(isDrbd);
  const more = drbd ? backingKib(size) - backingKib(volume.sizeKib) : size - volume.sizeKib;
  const short = diskful(definition).flatMap((resource) => {
    const pool = findPool(
      lab.state,
      resource.node,
      resource.volumes.find((item) => item.number === volume.number)?.pool ?? '',
    );
    return pool && !traitsOf(pool.provider).thin && freeKib(lab.state, pool) < more ? [pool] : [];
  });
  if (short.length === 0) return;
  const list = short.map((pool) => `Node: ${pool.node}, StorPool: ${pool.name}`).join('\n');
  throw new Refusal(
    980,
    `Cannot grow the volume definition by ${more}KiB, as the following storage pool do not have enough free space:\n${list}`,
    { report: true },
  );
}

/** Resizes that go on in spite of their answer, by the volume definition's UUID. */
const atWork = new Set<string>();

/**
 * The satellites are still at work when the caller asks again: what such a second resize wants reaches the definition alone, and
 * the end of the first takes the flag away (seen on 1.33.3 with two requests 0.1 to 0.3 s apart).
 */
function resizeLater(
  lab: Runtime,
  definition: LabDefinition,
  volume: VolumeDefinition,
  seconds: number,
): void {
  const asked = { ...volume };
  const then = {
    ...definition,
    volumes: definition.volumes.map((item) => (item === volume ? asked : item)),
  };
  setFlags(volume, 'RESIZE');
  atWork.add(volume.uuid);
  lab.later(seconds * 1000, () =>
    lab.exclusively(async () => {
      for (const resource of diskful(definition)) {
        for (const item of resource.volumes) {
          if (item.number === volume.number)
            await resizeVolume(lab, { definition: then, resource, volume: item });
        }
      }
      clearFlags(volume, 'RESIZE');
      atWork.delete(volume.uuid);
    }),
  );
}

/** Three rounds for plain storage, four for DRBD, as recorded. */
export async function applyResize(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  volume: VolumeDefinition,
): Promise<void> {
  if (atWork.has(volume.uuid)) return;
  const late = lab.faults.lateResizes.shift();
  if (late !== undefined) {
    resizeLater(lab, definition, volume, late);
    return;
  }
  const drbd = definition.resources.some(isDrbd);
  const updated = (resource: { node: string }) =>
    `Updated volume ${volume.number} of '${definition.name}' on '${resource.node}'`;
  const early = drbd ? ({ drbd: 'not adjusted' } as const) : {};
  setFlags(volume, 'RESIZE');
  await pass(lab, reply, definition, { ...early, message: updated });
  for (const resource of diskful(definition)) {
    if (!doesAnswer(findNode(lab.state, resource.node))) continue;
    for (const item of resource.volumes) {
      if (item.number === volume.number) await resizeVolume(lab, { definition, resource, volume: item });
    }
  }
  await pass(lab, reply, definition, {
    ...early,
    message: (resource) => `Resized resource '${definition.name}' on '${resource.node}'`,
  });
  if (drbd) {
    const leader = diskful(definition).find((resource) => isOnline(findNode(lab.state, resource.node)));
    await pass(lab, reply, definition, {
      drbd: (resource) => (resource === leader ? 'adjusted' : 'not adjusted'),
      message: (resource) =>
        resource === leader ? `Resized DRBD resource '${definition.name}' on '${resource.node}'` : undefined,
    });
  }
  clearFlags(volume, 'RESIZE');
  await pass(lab, reply, definition, { message: updated });
}
