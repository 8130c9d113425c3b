import type { V0Kind } from './command.ts';
import { asList, asObject, type Json, type JsonObject } from './json.ts';

/**
 * `--output-version v0`: the shapes that scripts of the time before client 1.22 parse (linstor-behaviour §4.3).
 * Field by field as recorded; a field that is missing there is missing here.
 */

const pairs = (props: Json | undefined): Json[] =>
  Object.entries(asObject(props)).map(([key, value]) => ({ key, value }));

/** Leaves out what the real client leaves out: empty lists and what is not there. */
const some = (name: string, value: Json | undefined): JsonObject => {
  const empty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
  return empty ? {} : { [name]: value };
};
const keep = (value: Json | undefined): Json => value ?? null;

const connectionStates = [
  ...[
    'OFFLINE',
    'CONNECTED',
    'ONLINE',
    'VERSION_MISMATCH',
    'FULL_SYNC_FAILED',
    'AUTHENTICATION_ERROR',
    'UNKNOWN',
  ],
  ...[
    'HOSTNAME_MISMATCH',
    'OTHER_CONTROLLER',
    'AUTHENTICATED',
    'NO_STLT_CONN',
    'MISSING_EXT_TOOLS',
    'DUPLICATE_UNAME',
  ],
];

function node(item: JsonObject): Json {
  return {
    ...item,
    props: pairs(item['props']),
    connection_status: connectionStates.indexOf(String(item['connection_status'] ?? 'UNKNOWN')),
    net_interfaces: asList(item['net_interfaces']).map((each) => {
      const { address, name, satellite_port, satellite_encryption_type } = asObject(each);
      return {
        address: keep(address),
        name: keep(name),
        stlt_port: keep(satellite_port),
        stlt_encryption_type: keep(satellite_encryption_type),
      };
    }),
  };
}

/** FILE kinds have no name here: an empty text, as recorded. */
const drivers: Readonly<Record<string, string>> = {
  DISKLESS: 'DisklessDriver',
  LVM: 'LvmDriver',
  LVM_THIN: 'LvmThinDriver',
  ZFS: 'ZfsDriver',
  ZFS_THIN: 'ZfsThinDriver',
  SPDK: 'SpdkDriver',
};

function pool(item: JsonObject): Json {
  const measured = item['free_capacity'] !== undefined || item['total_capacity'] !== undefined;
  return {
    stor_pool_uuid: keep(item['uuid']),
    stor_pool_name: keep(item['storage_pool_name']),
    node_name: keep(item['node_name']),
    free_space_mgr_name: keep(item['free_space_mgr_name']),
    ...(measured
      ? {
          free_space: {
            stor_pool_name: keep(item['storage_pool_name']),
            free_capacity: keep(item['free_capacity']),
            total_capacity: keep(item['total_capacity']),
          },
        }
      : {}),
    driver: drivers[String(item['provider_kind'])] ?? '',
    static_traits: pairs(item['static_traits']),
    ...some('props', pairs(item['props'])),
  };
}

/** Data of the DRBD layer, if the object has one. */
function drbdOf(item: JsonObject, field: string): JsonObject | undefined {
  const layer = asList(item[field])
    .map(asObject)
    .find(({ type }) => type === 'DRBD');
  return layer && asObject(layer['data']);
}

function volumeDefinition(item: JsonObject): Json {
  const drbd = drbdOf(item, 'layer_data');
  return {
    vlm_nr: keep(item['volume_number']),
    vlm_size: keep(item['size_kib']),
    vlm_dfn_uuid: keep(item['uuid']),
    ...some('vlm_flags', item['flags']),
    ...some('vlm_props', pairs(item['props'])),
    ...(drbd ? { vlm_minor: keep(drbd['minor_number']) } : {}),
  };
}

function definition(item: JsonObject): Json {
  const drbd = drbdOf(item, 'layer_data');
  return {
    rsc_name: keep(item['name']),
    rsc_dfn_uuid: keep(item['uuid']),
    vlm_dfns: asList(item['volume_definitions']).map((each) => volumeDefinition(asObject(each))),
    ...some('rsc_dfn_flags', item['flags']),
    ...some('rsc_dfn_props', pairs(item['props'])),
    ...(drbd ? { rsc_dfn_port: keep(drbd['port']), rsc_dfn_secret: keep(drbd['secret']) } : {}),
  };
}

function volume(item: JsonObject): Json {
  const drbd = drbdOf(item, 'layer_data_list');
  const backing = drbd?.['backing_device'];
  return {
    stor_pool_name: keep(item['storage_pool_name']),
    vlm_nr: keep(item['volume_number']),
    vlm_uuid: keep(item['uuid']),
    device_path: keep(item['device_path']),
    ...(drbd
      ? {
          vlm_minor_nr: keep(asObject(drbd['drbd_volume_definition'])['minor_number']),
          ...(backing ? { backing_disk: backing } : {}),
          meta_disk: drbd['meta_disk'] ?? '',
          ...(drbd['allocated_size_kib'] ? { allocated: keep(item['allocated_size_kib']) } : {}),
        }
      : {}),
  };
}

function resource(item: JsonObject): Json {
  return {
    name: keep(item['name']),
    uuid: keep(item['uuid']),
    node_name: keep(item['node_name']),
    rsc_flags: asList(item['flags']),
    props: pairs(item['props']),
    vlms: asList(item['volumes']).map((each) => volume(asObject(each))),
  };
}

function resourceState(item: JsonObject): Json {
  const states = asList(item['volumes']).map((each) => {
    const { volume_number, state } = asObject(each);
    return { vlm_nr: keep(volume_number), disk_state: keep(asObject(state)['disk_state']) };
  });
  return {
    rsc_name: keep(item['name']),
    node_name: keep(item['node_name']),
    ...some('in_use', asObject(item['state'])['in_use']),
    ...some('vlm_states', states),
  };
}

function snapshot(item: JsonObject): Json {
  return {
    rsc_name: keep(item['resource_name']),
    snapshot_name: keep(item['name']),
    uuid: keep(item['uuid']),
    snapshot_dfn_flags: asList(item['flags']),
    snapshots: asList(item['nodes']).map((name) => ({ node_name: name })),
    snapshot_vlm_dfns: asList(item['volume_definitions']).map((each) => {
      const { volume_number, size_kib } = asObject(each);
      return { vlm_nr: keep(volume_number), vlm_size: keep(size_kib) };
    }),
  };
}

export function listAsV0(kind: V0Kind, answer: Json): Json {
  const items = asList(answer).map(asObject);
  switch (kind) {
    case 'nodes':
      return { nodes: items.map(node) };
    case 'pools':
      return { stor_pools: items.map(pool) };
    case 'definitions':
      return { rsc_dfns: items.map(definition) };
    case 'resources':
      return { resource_states: items.map(resourceState), resources: items.map(resource) };
    case 'snapshots':
      return some('snapshot_dfns', items.map(snapshot));
    case 'plain':
      return answer;
  }
}

/** An ApiCallRc entry: references become pairs, the time is gone. */
export function entryAsV0(entry: JsonObject): Json {
  return {
    ret_code: keep(entry['ret_code']),
    message: keep(entry['message']),
    ...some('cause', entry['cause']),
    ...some('correction', entry['correction']),
    ...some('details', entry['details']),
    ...some('object_refs', pairs(entry['obj_refs'])),
    ...some('error_report_ids', entry['error_report_ids']),
  };
}
