import { compact } from '../rest/json.ts';
import { filterJson, type SelectFilter } from './filter.ts';
import { sameName } from './name.ts';
import { missing, type Props } from './node.ts';
import type { ClusterState } from './state.ts';

export interface VolumeGroup {
  number: number;
  uuid: string;
  props: Props;
  flags: string[];
}

/** Resource group: policy for resource definitions spawned from it. */
export interface LabGroup {
  name: string;
  uuid: string;
  description?: string;
  props: Props;
  filter: SelectFilter;
  peerSlots?: number;
  volumes: VolumeGroup[];
}

export const DEFAULT_GROUP = 'DfltRscGrp';

export function findGroup(state: ClusterState, name: string): LabGroup | undefined {
  return state.groups.find((group) => sameName(group.name, name));
}

export function mustFindGroup(
  state: ClusterState,
  name: string,
  options: { plain?: boolean } = {},
): LabGroup {
  const group = findGroup(state, name);
  if (!group) throw missing('resource group', 317, name, options);
  return group;
}

export function groupJson(group: LabGroup): Record<string, unknown> {
  return {
    name: group.name,
    ...compact({ description: group.description, props: sorted(group.props) }),
    select_filter: filterJson(group.filter),
    uuid: group.uuid,
  };
}

export function volumeGroupJson(volume: VolumeGroup): Record<string, unknown> {
  return {
    volume_number: volume.number,
    ...compact({ props: sorted(volume.props) }),
    uuid: volume.uuid,
    ...compact({ flags: volume.flags }),
  };
}

export function sorted(props: Props): Props {
  return Object.fromEntries(Object.entries(props).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
