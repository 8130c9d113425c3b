import * as z from 'zod/mini';

/*
 * LINSTOR's documents, as far as they are read. Unknown fields are ignored; null, absent and empty are the same
 * (linstor-behaviour §0.4). This module is loaded while the first answer is on its way: building schemas must
 * not delay a call.
 *
 * No parser is compiled for each schema: for a handful of documents that costs 3 ms, and 10,000 are decoded no faster.
 */
z.config({ jitless: true });

/** KiB and the like. Only a DISKLESS pool reports more than a double holds (2^63-1): that is "no space of its own". */
const integer = z.nullish(z.union([z.number(), z.bigint()]));
const text = z.nullish(z.string());
const flag = z.nullish(z.boolean());

function listOf<T extends z.ZodMiniType>(item: T) {
  return z.pipe(
    z.nullish(z.array(item)),
    z.transform((list) => list ?? []),
  );
}

const texts = listOf(z.string());
const props = z.pipe(
  z.nullish(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))),
  z.transform((map) =>
    Object.fromEntries(
      Object.entries(map ?? {}).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]])),
    ),
  ),
);

const entryMessage = z.object({ message: text });

export const node = z.object({
  name: z.string(),
  type: text,
  props,
  flags: texts,
  net_interfaces: listOf(z.object({ address: text })),
  connection_status: text,
  storage_providers: texts,
  resource_layers: texts,
  eviction_timestamp: z.nullish(z.number()),
});

export const storagePool = z.object({
  storage_pool_name: z.string(),
  node_name: z.string(),
  provider_kind: z.string(),
  props,
  free_capacity: integer,
  total_capacity: integer,
  free_space_mgr_name: text,
  supports_snapshots: flag,
  static_traits: props,
  reports: listOf(entryMessage),
});

const selectFilter = z.object({
  place_count: z.nullish(z.number()),
  node_name_list: texts,
  storage_pool: text,
  storage_pool_list: texts,
  storage_pool_diskless_list: texts,
  not_place_with_rsc: texts,
  not_place_with_rsc_regex: text,
  replicas_on_same: texts,
  replicas_on_different: texts,
  layer_stack: texts,
  provider_list: texts,
});

export const resourceGroup = z.object({
  name: z.string(),
  description: text,
  props,
  select_filter: z.nullish(selectFilter),
});

export const spaceInfo = z.object({
  max_vlm_size_in_kib: z.nullish(z.number()),
  available_size_in_kib: z.nullish(z.number()),
  capacity_in_kib: z.nullish(z.number()),
});

const layerData = listOf(z.object({ type: z.string() }));

export const resourceDefinition = z.object({
  name: z.string(),
  resource_group_name: text,
  props,
  flags: texts,
  layer_data: layerData,
  volume_definitions: listOf(
    z.object({ volume_number: z.number(), size_kib: z.number(), flags: texts, props }),
  ),
});

const drbdLayer = z.object({
  connections: z.nullish(z.record(z.string(), z.object({ connected: flag, message: text }))),
  may_promote: flag,
});

const layerObject = z.object({
  type: z.string(),
  resource_name_suffix: text,
  drbd: z.nullish(drbdLayer),
  get children() {
    return z.nullish(z.array(layerObject));
  },
});

export const resource = z.object({
  name: z.string(),
  node_name: z.string(),
  props,
  flags: texts,
  layer_object: z.nullish(layerObject),
  state: z.nullish(z.object({ in_use: flag })),
  create_timestamp: z.nullish(z.number()),
  volumes: listOf(
    z.object({
      volume_number: z.number(),
      storage_pool_name: text,
      provider_kind: text,
      device_path: text,
      allocated_size_kib: z.nullish(z.number()),
      state: z.nullish(
        z.object({
          disk_state: text,
          replication_states: z.nullish(
            z.record(
              z.string(),
              z.object({ replication_state: text, done_percentage: z.nullish(z.number()) }),
            ),
          ),
        }),
      ),
    }),
  ),
});

/** As each layer tells of its volumes; DRBD puts the number one level deeper. */
const layerVolumes = listOf(
  z.object({
    volume_number: z.nullish(z.number()),
    drbd_volume_definition: z.nullish(z.object({ volume_number: z.nullish(z.number()) })),
    device_path: text,
  }),
);

const storageVolumes = z.nullish(z.object({ storage_volumes: layerVolumes }));

/** Of the layers below, where the storage has the volumes. */
const lowerLayer = z.object({
  type: z.string(),
  resource_name_suffix: text,
  storage: storageVolumes,
  get children() {
    return z.nullish(z.array(lowerLayer));
  },
});

const topLayer = z.extend(layerObject, {
  children: z.nullish(z.array(lowerLayer)),
  drbd: z.nullish(z.extend(drbdLayer, { drbd_volumes: layerVolumes })),
  luks: z.nullish(z.object({ luks_volumes: layerVolumes })),
  nvme: z.nullish(z.object({ nvme_volumes: layerVolumes })),
  writecache: z.nullish(z.object({ writecache_volumes: layerVolumes })),
  cache: z.nullish(z.object({ cache_volumes: layerVolumes })),
  bcache: z.nullish(z.object({ bcache_volumes: layerVolumes })),
  storage: storageVolumes,
});

/** A resource without the view's volumes: what is on top of each is told by its topmost layer. */
export const replica = z.extend(z.omit(resource, { volumes: true }), { layer_object: z.nullish(topLayer) });

/** Of `resource` only what usage needs: there are tens of thousands, and the layers are most of each. */
export const allocation = z.object({
  name: z.string(),
  node_name: z.string(),
  flags: listOf(z.string()),
  volumes: listOf(
    z.object({
      volume_number: z.number(),
      storage_pool_name: text,
      allocated_size_kib: z.nullish(z.number()),
    }),
  ),
});

export const snapshot = z.object({
  name: z.string(),
  resource_name: z.string(),
  nodes: texts,
  props,
  snapshot_definition_props: props,
  resource_definition_props: props,
  flags: texts,
  volume_definitions: listOf(z.object({ volume_number: z.number(), size_kib: z.number() })),
  snapshots: listOf(z.object({ create_timestamp: z.nullish(z.number()) })),
});

export const version = z.object({ version: z.string(), rest_api_version: z.string() });
export const cloneStatus = z.object({ status: z.enum(['CLONING', 'COMPLETE', 'FAILED']) });
export const syncStatus = z.object({ synced_on_all: z.boolean() });
export const passphraseStatus = z.object({ status: z.enum(['unset', 'locked', 'unlocked']) });
export const errorReport = z.object({
  node_name: z.nullish(z.string()),
  error_time: z.number(),
  filename: z.string(),
  exception: z.nullish(z.string()),
  exception_message: z.nullish(z.string()),
  text: z.nullish(z.string()),
});
export const properties = props;
/** A list of one, of which the props are looked at. */
export const keyValues = z.array(z.object({ name: z.string(), props }));

export type RawLayer = z.output<typeof layerObject>;
export type RawLayerVolume = z.output<typeof layerVolumes>[number];
export type RawTopLayer = z.output<typeof topLayer>;
