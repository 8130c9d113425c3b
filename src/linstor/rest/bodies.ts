import type { CloneSpec, DefinitionSpec, LayerKind, PlacementFilter, PropsChange } from '../linstor.ts';

/*
 * Request bodies. LINSTOR refuses unknown fields, and a null in a clone request hangs it (linstor-behaviour §0.4):
 * what is not wanted is left out, never null.
 */

export type Body = Readonly<Record<string, unknown>>;

/** The fields that hold something. An empty list would replace the group's by nothing. */
function present(fields: Record<string, unknown>): Body {
  const kept = Object.entries(fields).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(kept);
}

/**
 * The name of a node property to place by. LINBIT's client puts `Aux/` before what its user writes; both transports
 * take both spellings.
 */
export function auxKey(key: string): string {
  return key.startsWith('Aux/') ? key : `Aux/${key}`;
}

/** AutoSelectFilter (linstor-behaviour §3.9). */
export function selectFilter(filter: PlacementFilter): Body {
  return present({
    place_count: filter.placeCount,
    additional_place_count: filter.additionalPlaceCount,
    node_name_list: filter.nodes,
    storage_pool_list: filter.storagePools,
    storage_pool_diskless_list: filter.disklessPools,
    not_place_with_rsc: filter.notPlaceWith,
    not_place_with_rsc_regex: filter.notPlaceWithRegex || undefined,
    replicas_on_same: filter.replicasOnSame?.map(auxKey),
    replicas_on_different: filter.replicasOnDifferent?.map(auxKey),
    layer_stack: filter.layers,
    provider_list: filter.providers,
  });
}

export function autoplaceBody(filter: PlacementFilter): Body {
  // The layer list outside of the filter replaces the one inside it: both say the same.
  return present({ select_filter: selectFilter(filter), layer_list: filter.layers });
}

export function definitionBody(spec: DefinitionSpec): Body {
  return {
    resource_definition: present({
      name: spec.name,
      resource_group_name: spec.group || undefined,
      props: notEmpty(spec.props),
      layer_data: spec.layers?.map((type) => ({ type })),
    }),
  };
}

function notEmpty(
  map: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  return map && Object.keys(map).length > 0 ? map : undefined;
}

export function propsBody(change: PropsChange): Body {
  return present({
    override_props: notEmpty(change.set),
    delete_props: change.unset,
    delete_namespaces: change.unsetNamespaces,
  });
}

export interface SpawnOptions {
  readonly filter?: PlacementFilter;
  readonly definitionsOnly?: boolean;
  readonly props?: Readonly<Record<string, string>>;
  readonly marked?: boolean;
}

export function spawnBody(name: string, sizesKib: readonly number[], options: SpawnOptions): Body {
  const filter = selectFilter(options.filter ?? {});
  return present({
    resource_definition_name: name,
    volume_sizes: sizesKib,
    definitions_only: options.definitionsOnly || undefined,
    select_filter: Object.keys(filter).length > 0 ? filter : undefined,
    resource_definition_props: notEmpty(options.props),
  });
}

export interface ResourceOptions {
  readonly pool?: string;
  readonly diskless?: boolean;
  readonly layers?: readonly LayerKind[];
}

/** Which kind of diskless a stack has: NVMe without DRBD has initiators, everything else DRBD's. */
export function disklessFlag(layers: readonly LayerKind[] | undefined): 'NVME_INITIATOR' | 'DRBD_DISKLESS' {
  return layers?.includes('NVME') && !layers.includes('DRBD') ? 'NVME_INITIATOR' : 'DRBD_DISKLESS';
}

export function resourceBody(node: string, options: ResourceOptions): readonly Body[] {
  const resource = present({
    node_name: node,
    props: options.pool ? { StorPoolName: options.pool } : undefined,
    flags: options.diskless ? [disklessFlag(options.layers)] : [],
  });
  return [present({ resource, layer_list: options.layers })];
}

export function cloneBody(target: string, spec: CloneSpec): Body {
  return {
    ...present({
      name: target,
      use_zfs_clone: spec.useZfsClone,
      layer_list: spec.layers,
      resource_group: spec.group || undefined,
    }),
    ...propsBody(spec.props ?? {}),
  };
}

export function restoreBody(
  to: string,
  options: { readonly nodes?: readonly string[]; readonly poolRename?: Readonly<Record<string, string>> },
): Body {
  return present({ to_resource: to, nodes: options.nodes, stor_pool_rename: notEmpty(options.poolRename) });
}
