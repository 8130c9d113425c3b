import { DriverError } from '../../errors.ts';
import type { LayerKind, PlacementFilter } from '../linstor.ts';
import { disklessFlag, type ResourceOptions } from '../rest/bodies.ts';

/*
 * Arguments of LINBIT's client (client 1.27). Names stand before options: many options of it are greedy and would
 * swallow a name that follows (linstor-behaviour §3).
 */

type Args = readonly string[];

export const cannot = (what: string): DriverError =>
  new DriverError('LINSTOR_UNSUPPORTED', `the LINSTOR client cannot ${what}`, {
    remedy: 'set TRANSPORT=rest',
  });

/** The client takes a number without a unit for GiB. */
export const size = (kib: number): string => `${kib}KiB`;

function listOption(option: string, values: readonly string[] | undefined): Args {
  return values && values.length > 0 ? [option, ...values] : [];
}

export function layerOption(layers: readonly LayerKind[] | undefined): Args {
  return layers && layers.length > 0 ? ['--layer-list', layers.join(',').toLowerCase()] : [];
}

/** The client puts `Aux/` before the names of node properties itself. */
const withoutAux = (key: string): string => key.replace(/^Aux\//, '');

function countOption(filter: PlacementFilter): Args {
  if (filter.additionalPlaceCount !== undefined) return ['--place-count', `+${filter.additionalPlaceCount}`];
  return filter.placeCount === undefined ? [] : ['--place-count', String(filter.placeCount)];
}

/** Everything of the filter but its nodes, which the client has no option for. */
export function filterOptions(filter: PlacementFilter): Args {
  return [
    ...countOption(filter),
    ...listOption('--storage-pool', filter.storagePools),
    ...listOption('--diskless-storage-pool', filter.disklessPools),
    ...listOption('--do-not-place-with', filter.notPlaceWith),
    ...(filter.notPlaceWithRegex ? ['--do-not-place-with-regex', filter.notPlaceWithRegex] : []),
    ...listOption('--replicas-on-same', filter.replicasOnSame?.map(withoutAux)),
    ...listOption('--replicas-on-different', filter.replicasOnDifferent?.map(withoutAux)),
    ...layerOption(filter.layers),
    ...(filter.providers && filter.providers.length > 0 ? ['--providers', filter.providers.join(',')] : []),
  ];
}

export function resourceOptions(options: ResourceOptions): Args {
  const diskless = disklessFlag(options.layers) === 'NVME_INITIATOR' ? '--nvme-initiator' : '--drbd-diskless';
  return [
    ...(options.diskless ? [diskless] : []),
    ...(options.pool ? ['--storage-pool', options.pool] : []),
    ...layerOption(options.layers),
  ];
}

/**
 * Placing on named nodes: the client's automatic placement cannot be restricted to nodes, but where every one of
 * them gets a replica, creating them one by one is the same.
 * @throws LINSTOR_UNSUPPORTED when a choice among the nodes would be needed
 */
export function nodesToCreate(filter: PlacementFilter): readonly string[] | undefined {
  if (!filter.nodes || filter.nodes.length === 0) return undefined;
  const count = filter.additionalPlaceCount ?? filter.placeCount;
  if (count !== filter.nodes.length || (filter.storagePools?.length ?? 0) > 1) {
    throw cannot('choose among given nodes when placing replicas');
  }
  return filter.nodes;
}

/** `set-property` without a value deletes: an empty value cannot be set. A value may begin with a dash. */
export function setProperty(name: string, key: string, value: string | undefined): Args {
  if (value === '') throw cannot(`set the property ${key} to nothing`);
  const dash = value?.startsWith('-') ? ['--'] : [];
  return ['resource-definition', 'set-property', ...dash, name, key, ...(value === undefined ? [] : [value])];
}
