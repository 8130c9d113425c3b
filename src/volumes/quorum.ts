import type { LayerKind } from '../linstor/linstor.ts';
import type { PlacementSettings } from '../opennebula/settings.ts';

/** What DRBD does when a node loses its peers, as LINSTOR's properties (linstor-behaviour §3.16, §7.7, §13.1). */
export const quorumKeys = {
  quorum: 'DrbdOptions/Resource/quorum',
  onNoQuorum: 'DrbdOptions/Resource/on-no-quorum',
  onNoData: 'DrbdOptions/Resource/on-no-data-accessible',
  onSuspendedPrimaryOutdated: 'DrbdOptions/Resource/on-suspended-primary-outdated',
  tieBreaker: 'DrbdOptions/auto-add-quorum-tiebreaker',
} as const;

type Props = Readonly<Record<string, string>>;

/** Properties of new definitions; only what the datastore asks for, and nothing where there is no DRBD. */
export function quorumProps(settings: PlacementSettings, layers: readonly LayerKind[]): Props {
  if (!layers.includes('DRBD')) return {};
  const { quorum, onNoQuorum, onNoDataAccessible, onSuspendedPrimaryOutdated, quorumTieBreaker } = settings;
  return {
    ...(quorum === undefined ? {} : { [quorumKeys.quorum]: quorum }),
    ...(onNoQuorum === undefined ? {} : { [quorumKeys.onNoQuorum]: onNoQuorum }),
    ...(onNoDataAccessible === undefined ? {} : { [quorumKeys.onNoData]: onNoDataAccessible }),
    ...(onSuspendedPrimaryOutdated === undefined
      ? {}
      : { [quorumKeys.onSuspendedPrimaryOutdated]: onSuspendedPrimaryOutdated }),
    ...(quorumTieBreaker === undefined
      ? {}
      : { [quorumKeys.tieBreaker]: quorumTieBreaker ? 'true' : 'false' }),
  };
}

/** LINSTOR keeps these by itself where nobody has: by the number of replicas, and when a tie-breaker is deleted. */
const linstorsOwn: readonly string[] = [quorumKeys.quorum, quorumKeys.tieBreaker];

/** What has to change after a restore, which lays the properties of the source over those of the target (linstor-behaviour §3.12). */
export function quorumChange(
  wanted: Props,
  carried: Props,
): { set: Record<string, string>; unset: string[] } {
  const change = { set: {} as Record<string, string>, unset: [] as string[] };
  for (const key of Object.values(quorumKeys)) {
    const [want, has] = [wanted[key], carried[key]];
    if (has === undefined || want?.toLowerCase() === has.toLowerCase()) continue;
    if (want !== undefined) change.set[key] = want;
    else if (!linstorsOwn.includes(key)) change.unset.push(key);
  }
  return change;
}

/** What counts for a resource: its own definition, then its group, then the controller. */
export function effectiveProp(key: string, ...levels: readonly (Props | undefined)[]): string | undefined {
  for (const level of levels) {
    const value = level?.[key];
    if (value !== undefined) return value;
  }
  return undefined;
}
