import { compact } from '../rest/json.ts';
import type { LabDefinition, LayerKind } from './definition.ts';
import { sorted } from './group.ts';
import { byName, sameName } from './name.ts';
import type { Props } from './node.ts';

/** The part of a snapshot that lies on one node. */
export interface SnapshotPart {
  node: string;
  uuid: string;
  /** Epoch milliseconds. */
  createdAt: number;
  resourceProps: Props;
  layers: LayerKind[];
  nodeId?: number;
  volumes: { number: number; uuid: string; pool: string; file: string }[];
}

export interface LabSnapshot {
  name: string;
  uuid: string;
  flags: string[];
  definitionProps: Props;
  resourceProps: Props;
  volumes: { number: number; sizeKib: number; props: Props }[];
  parts: SnapshotPart[];
}

export function findSnapshot(definition: LabDefinition, name: string): LabSnapshot | undefined {
  return definition.snapshots.find((snapshot) => sameName(snapshot.name, name));
}

/** Before REST 1.24 the properties are one map (linstor-behaviour §0.2). */
export function snapshotJson(
  definition: LabDefinition,
  snapshot: LabSnapshot,
  splitProps: boolean,
): Record<string, unknown> {
  const parts = byName(snapshot.parts, (part) => part.node);
  return {
    name: snapshot.name,
    resource_name: definition.name,
    ...compact({
      nodes: parts.map((part) => part.node),
      props: sorted({ ...snapshot.resourceProps, ...snapshot.definitionProps }),
      ...(splitProps
        ? {
            snapshot_definition_props: sorted(snapshot.definitionProps),
            resource_definition_props: sorted(snapshot.resourceProps),
          }
        : {}),
      flags: snapshot.flags,
      volume_definitions: snapshot.volumes.map((volume) => ({
        volume_number: volume.number,
        size_kib: volume.sizeKib,
        ...compact({ volume_definition_props: sorted(volume.props) }),
      })),
    }),
    uuid: snapshot.uuid,
    ...compact({
      snapshots: parts.map((part) => ({
        snapshot_name: snapshot.name,
        node_name: part.node,
        create_timestamp: part.createdAt,
        uuid: part.uuid,
        ...compact({
          resource_props: sorted(part.resourceProps),
          snapshot_volumes: part.volumes.map((volume) => ({ uuid: volume.uuid, vlm_nr: volume.number })),
        }),
      })),
    }),
  };
}
