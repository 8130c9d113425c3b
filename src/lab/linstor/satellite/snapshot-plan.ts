import { imageName, imagePath } from '../data/files.ts';
import type { LabDefinition } from '../model/definition.ts';
import { sameName } from '../model/name.ts';
import { findNode, isOnline, mustFindNode } from '../model/node.ts';
import { traitsOf } from '../model/pool.ts';
import { changeProps } from '../model/properties.ts';
import { diskful, isDiskless, isDrbd, type LabResource, mustFindResource } from '../model/resource.ts';
import { diskState } from '../model/resource-view.ts';
import { findSnapshot, type LabSnapshot, type SnapshotPart } from '../model/snapshot.ts';
import { CREATED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';

/** Which snapshot, of what, and whether that can be (linstor-behaviour §3.12). */

/** Taking snapshots: registered, then IO suspended everywhere, taken, resumed (linstor-behaviour §3.12). */
export interface SnapshotPlan {
  readonly definition: LabDefinition;
  readonly snapshot: LabSnapshot;
}

export interface PlanOptions {
  readonly nodes?: readonly string[];
  readonly props?: Readonly<Record<string, string>> | undefined;
  /** Safety snapshots of a rollback are not announced. */
  readonly silent?: boolean;
}

/** Checks and registers one snapshot; nothing is on the satellites yet. */
export function planSnapshot(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  name: string,
  options: PlanOptions = {},
): SnapshotPlan {
  if (findSnapshot(definition, name)) {
    throw new Refusal(
      514,
      `A snapshot definition with the name '${name}' already exists in resource definition '${definition.name}'.`,
      {
        cause: 'The SnapshotDefinition already exists',
      },
    );
  }
  const sources = sourcesOf(lab, reply, definition, options.nodes ?? []);
  for (const resource of sources) refuseUnfit(lab, definition, resource);
  const nodeIds = sources.flatMap((resource) => (resource.drbd ? [resource.drbd.nodeId] : []));
  const definitionProps: Record<string, string> = {};
  changeProps(reply, definitionProps, { override: options.props }, { owner: 'D', object: 'snapshot' });
  definitionProps['BackupShipping/BackupNodeIdsToReset'] = nodeIds.join(',');
  definitionProps['SequenceNumber'] = String(nextSequence(definition));
  const snapshot: LabSnapshot = {
    name,
    uuid: crypto.randomUUID(),
    flags: [],
    definitionProps,
    resourceProps: { ...definition.props },
    volumes: definition.volumes.map(({ number, sizeKib, props }) => ({
      number,
      sizeKib,
      props: { ...props },
    })),
    parts: sources.map((resource) => partOf(lab, definition, resource, name)),
  };
  definition.snapshots.push(snapshot);
  if (!options.silent) {
    const what = `Snapshot '${name}' of resource '${definition.name}'`;
    reply.add(CREATED, `New snapshot '${name}' of resource '${definition.name}' registered.`, {
      details: `${what} UUID is: ${snapshot.uuid}`,
      refs: { UUID: snapshot.uuid },
    });
  }
  return { definition, snapshot };
}

export const sequenceOf = (snapshot: LabSnapshot): number =>
  Number(snapshot.definitionProps['SequenceNumber'] ?? 0);

function nextSequence(definition: LabDefinition): number {
  return Math.max(0, ...definition.snapshots.map(sequenceOf)) + 1;
}

function sourcesOf(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  nodes: readonly string[],
): LabResource[] {
  for (const node of nodes) {
    const found = mustFindNode(lab.state, node);
    const resource = mustFindResource(definition, found.name);
    if (isDiskless(resource)) {
      throw new Refusal(994, `Cannot create snapshot from diskless resource on node '${found.name}'`, {
        report: true,
      });
    }
  }
  const wanted = diskful(definition).filter(
    (item) => nodes.length === 0 || nodes.some((node) => sameName(node, item.node)),
  );
  const skip = (resource: LabResource, why: string) =>
    reply.add(
      0,
      `Snapshot for resource '${definition.name}' will not be created on node '${resource.node}' because that node is currently ${why}.`,
      {
        severity: 'warning',
      },
    );
  const usable = wanted.filter((resource) => {
    const node = findNode(lab.state, resource.node);
    if (!isOnline(node)) skip(resource, 'offline');
    else if (node?.flags.includes('EVACUATE')) skip(resource, 'evacuating');
    else return true;
    return false;
  });
  if (usable.length > 0) return usable;
  throw new Refusal(995, 'No diskful connected satellite for snapshot or no resources.', {
    details: 'Snapshots need at least one diskful online satellite.',
    report: true,
  });
}

function refuseUnfit(lab: Runtime, definition: LabDefinition, resource: LabResource): void {
  for (const volume of resource.volumes) {
    if (traitsOf(volume.provider).snapshots) continue;
    throw new Refusal(994, `Storage driver '${volume.provider}' does not support snapshots.`, {
      details: `Used for storage pool '${volume.pool}' on '${resource.node}'.`,
      report: true,
    });
  }
  if (resource.props['DrbdOptions/SkipDisk'] !== undefined) {
    throw new Refusal(979, `SkipDisk is enabled for resource ${definition.name}`, {
      details:
        'Snapshots are not allowed while SkipDisk is enabled, because upToDate-state cannot be ensured.',
      report: true,
    });
  }
  if (
    !isDrbd(resource) ||
    resource.volumes.every((volume) => diskState(volume, lab.now(), false) === 'UpToDate')
  )
    return;
  throw new Refusal(979, `Resource '${definition.name}' on node '${resource.node}' is not UpToDate.`);
}

function partOf(lab: Runtime, definition: LabDefinition, resource: LabResource, name: string): SnapshotPart {
  return {
    node: resource.node,
    uuid: crypto.randomUUID(),
    createdAt: lab.now(),
    resourceProps: { ...resource.props },
    layers: [...resource.layers],
    ...(resource.drbd ? { nodeId: resource.drbd.nodeId } : {}),
    volumes: resource.volumes.map((volume) => ({
      number: volume.number,
      uuid: crypto.randomUUID(),
      pool: volume.pool,
      file: imagePath(
        lab.root,
        resource.node,
        volume.pool,
        imageName(definition.name, volume.number, `_${name}`),
      ),
    })),
  };
}
