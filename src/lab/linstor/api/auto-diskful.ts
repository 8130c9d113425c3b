import type { LabDefinition } from '../model/definition.ts';
import { findGroup } from '../model/group.ts';
import { findNode, isOnline } from '../model/node.ts';
import { diskful, isDeleting, isDiskless, isDrbd, type LabResource } from '../model/resource.ts';
import { diskState } from '../model/resource-view.ts';
import { Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { makeAvailableOn } from './make-available.ts';
import { deleteResource } from './resource-delete.ts';

/**
 * A diskless replica that is used for `DrbdOptions/auto-diskful` minutes gets a disk, and once that is in sync one that is too many goes
 * (linstor-behaviour §3.19). Looked at before every request, as time passes here only then.
 */

const key = 'DrbdOptions/auto-diskful';
const cleanupKey = 'DrbdOptions/auto-diskful-allow-cleanup';

/** The nearest level that says something. */
function effective(
  { state }: Runtime,
  definition: LabDefinition,
  resource: LabResource,
  name: string,
): string | undefined {
  const levels = [
    resource.props,
    findNode(state, resource.node)?.props,
    definition.props,
    findGroup(state, definition.group)?.props,
    state.controllerProps,
  ];
  return levels.map((props) => props?.[name]).find((value) => value !== undefined);
}

/** Since when each is in use, as the controller counts it: not beyond its own end. */
const usedSince = new WeakMap<LabResource, number>();

export async function followUsers(lab: Runtime): Promise<void> {
  for (const definition of lab.state.definitions)
    for (const resource of definition.resources) {
      const due = isDue(lab, definition, resource);
      if (due) await lab.exclusively(() => addReplica(lab, definition, resource));
    }
  for (const definition of lab.state.definitions) {
    const come = definition.resources.find(
      (resource) =>
        resource.props['DiskfulBy'] === 'auto-diskful' && !isDiskless(resource) && isInSync(lab, resource),
    );
    if (come) await lab.exclusively(() => dropSurplus(lab, definition, come));
  }
}

function isDue(lab: Runtime, definition: LabDefinition, resource: LabResource): boolean {
  if (!isDrbd(resource) || !isDiskless(resource) || isDeleting(resource) || resource.drbd?.inUse !== true) {
    usedSince.delete(resource);
    return false;
  }
  const minutes = Number(effective(lab, definition, resource, key) ?? Number.NaN);
  if (!Number.isFinite(minutes)) return false;
  const since = usedSince.get(resource) ?? lab.now();
  usedSince.set(resource, since);
  return lab.now() - since >= minutes * 60_000;
}

const replyFor = (lab: Runtime, definition: LabDefinition, node: string): Reply =>
  new Reply(
    {
      operation: 'modify',
      object: 'resource',
      refs: { RscDfn: definition.name, Node: node },
      subject: `Node: ${node}, Resource: ${definition.name}`,
    },
    () => lab.now(),
  );

/** Where the group's rules find no pool on that node, nothing happens, until it is used anew. */
async function addReplica(lab: Runtime, definition: LabDefinition, resource: LabResource): Promise<void> {
  usedSince.delete(resource);
  try {
    await makeAvailableOn(lab, replyFor(lab, definition, resource.node), definition, resource.node, {
      diskful: true,
    });
    resource.props['DiskfulBy'] = 'auto-diskful';
  } catch (error) {
    lab.report(error instanceof Error ? error.message : String(error), 'AutoDiskful');
    usedSince.set(resource, Number.POSITIVE_INFINITY);
  }
}

const isInSync = (lab: Runtime, resource: LabResource): boolean =>
  isOnline(findNode(lab.state, resource.node)) &&
  resource.volumes.every((volume) => diskState(volume, lab.now(), isDiskless(resource)) === 'UpToDate');

async function dropSurplus(lab: Runtime, definition: LabDefinition, come: LabResource): Promise<void> {
  const wanted = findGroup(lab.state, definition.group)?.filter.place_count ?? 2;
  const others = diskful(definition).filter(
    (resource) =>
      resource !== come &&
      resource.drbd?.inUse !== true &&
      effective(lab, definition, resource, cleanupKey)?.toLowerCase() === 'true',
  );
  come.props['DiskfulBy'] = 'auto-placer';
  const [surplus] = others;
  if (
    diskful(definition).length <= wanted ||
    !surplus ||
    !diskful(definition).every((each) => isInSync(lab, each))
  )
    return;
  await deleteResource(lab, replyFor(lab, definition, surplus.node), definition, surplus, {
    keepTieBreaker: true,
  });
}
