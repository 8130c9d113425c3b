import type { LayerKind } from '../linstor/linstor.ts';
import type { PlacementSettings } from '../opennebula/settings.ts';
import { quorumChange, quorumProps } from './quorum.ts';

type Props = Readonly<Record<string, string>>;

/** Properties of new definitions that the datastore asks for: LINSTOR_PROPERTIES, and the attributes for quorum, which win. */
export function policyProps(settings: PlacementSettings, layers: readonly LayerKind[]): Props {
  const given = Object.entries(settings.linstorProperties).filter(
    ([key]) => layers.includes('DRBD') || !key.startsWith('DrbdOptions/'),
  );
  return { ...Object.fromEntries(given), ...quorumProps(settings, layers) };
}

/** What has to change after a restore, which lays the properties of the source over those of the target (linstor-behaviour §3.12). */
export function policyChange(
  wanted: Props,
  carried: Props,
): { set: Record<string, string>; unset: string[] } {
  const { set, unset } = quorumChange(wanted, carried);
  const overlaid = Object.entries(wanted).filter(
    ([key, value]) => carried[key] !== undefined && carried[key] !== value && !(key in set),
  );
  return { set: { ...Object.fromEntries(overlaid.filter(([key]) => !isQuorum(key))), ...set }, unset };
}

/** LINSTOR spells values of its own properties its own way; for those of quorum `quorumChange` knows how. */
const isQuorum = (key: string): boolean => /\/(?:quorum|on-no-|on-suspended-|auto-add-quorum)/.test(key);
