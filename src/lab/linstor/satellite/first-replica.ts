import type { LabDefinition, VolumeDefinition } from '../model/definition.ts';
import { doesAnswer, findNode } from '../model/node.ts';
import { isDeleting, isDiskless, isDrbd, type LabResource } from '../model/resource.ts';
import type { Runtime } from '../runtime.ts';

/**
 * Who was up to date first. A volume definition names the node whose first replica counted as up to date without a sync, and – since
 * 1.33.2 – has a flag from the moment on at which that node's satellite says so. While the flag is missing, a new replica
 * without metadata on the named node declares itself up to date, whatever others hold.
 */
export const FIRST = 'Linstor/Drbd/InitialUptoDateOn';
export const INITIALIZED = 'DRBD_INITIALIZED';

const isNamed = (volume: VolumeDefinition, node: string): boolean =>
  volume.props[FIRST]?.toUpperCase() === node.toUpperCase();

/** What the satellites report after a round: the named one has its replica. */
export function noteInitialized(lab: Runtime, definition: LabDefinition): void {
  if (!lab.generation.marksInitialized) return;
  for (const volume of definition.volumes) {
    if (volume.flags.includes(INITIALIZED)) continue;
    const reported = definition.resources.some(
      (resource) =>
        isDrbd(resource) &&
        !isDiskless(resource) &&
        !isDeleting(resource) &&
        isNamed(volume, resource.node) &&
        doesAnswer(findNode(lab.state, resource.node)) &&
        resource.volumes.some((item) => item.number === volume.number && item.made),
    );
    if (reported) volume.flags.push(INITIALIZED);
  }
}

/** A definition that has lost its last replica begins anew. */
export function forgetInitialized(definition: LabDefinition): void {
  for (const volume of definition.volumes) {
    volume.flags = volume.flags.filter((flag) => flag !== INITIALIZED);
    delete volume.props[FIRST];
  }
}

/** Does a new, empty replica here count as up to date, so that it does not take over what others hold? */
export function declaresItselfFirst(
  lab: Runtime,
  definition: LabDefinition,
  resource: LabResource,
  number: number,
): boolean {
  const volume = definition.volumes.find((item) => item.number === number);
  return (
    lab.generation.marksInitialized &&
    volume !== undefined &&
    !volume.flags.includes(INITIALIZED) &&
    isNamed(volume, resource.node)
  );
}
