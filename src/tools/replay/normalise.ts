import type { JsonObject } from './recording.ts';

/**
 * Makes two answers comparable: what differs from run to run by nature is replaced by a mark. Nothing else
 * is: codes, names, counts, texts, presence of fields stay. Held to that by its own test.
 */
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Times, whatever their form. */
const times = new Set(['created_at', 'create_timestamp', 'error_time', 'eviction_timestamp', 'build_time']);
/** Free and total space depends on the machine's file system. Nothing (0) stays nothing. */
const capacities = new Set([
  'free_capacity',
  'total_capacity',
  'max_vlm_size_in_kib',
  'available_size_in_kib',
  'capacity_in_kib',
  'max_volume_size_kib',
]);
const paths = new Set(['device_path', 'backing_device', 'meta_disk', 'backing_disk']);
const ids = new Set([
  'uuid',
  'git_hash',
  'secret',
  'DrbdCurrentGi',
  'Cluster/LocalID',
  'UUID',
  'rsc_dfn_secret',
  'rsc_dfn_uuid',
  'vlm_dfn_uuid',
  'vlm_uuid',
  'stor_pool_uuid',
]);
const UNLIMITED = '9223372036854775807';

export function normalise(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    return key === 'error_report_ids' ? value.map(() => '<report>') : value.map((item) => normalise(item));
  }
  if (value !== null && typeof value === 'object') return normaliseObject(value as JsonObject);
  return normaliseScalar(value, key);
}

function normaliseObject(value: JsonObject): JsonObject {
  // The storage layer's figures are what is allocated right now; DRBD's are computed and stay.
  const storage = 'disk_state' in value && 'usable_size_kib' in value;
  const volume = 'storage_pool_name' in value && 'layer_data_list' in value;
  // Properties as a list of pairs (the client's older output).
  if (typeof value['key'] === 'string' && 'value' in value)
    return { ...value, value: normaliseScalar(value['value'], value['key']) };
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const allocated =
      (storage && (key === 'allocated_size_kib' || key === 'usable_size_kib')) ||
      (volume && key === 'allocated_size_kib');
    result[key] = allocated && Number(item) >= 0 ? '<kib>' : normalise(item, key);
  }
  return result;
}

function normaliseScalar(value: unknown, key: string): unknown {
  if (value === null || value === undefined || value === '') return value;
  if (times.has(key)) return '<time>';
  if (ids.has(key)) return '<id>';
  if (paths.has(key)) return '<path>';
  if (capacities.has(key)) return value === 0 || String(value) === UNLIMITED ? String(value) : '<kib>';
  if (key === 'ret_code') return String(value);
  return typeof value === 'string' ? normaliseText(value) : value;
}

export function normaliseText(text: string): string {
  return text
    .replace(UUID, '<uuid>')
    .replace(/safety-snap-[A-Za-z0-9]{10}/g, 'safety-snap-<id>')
    .replace(/MultiSnapshot \d+/g, 'MultiSnapshot <n>')
    .replace(/(known properties: )[^)]*/g, '$1…')
    .replace(/ at \[Source: [^\]]*\]/g, ' at <position>')
    .replace(
      /Added peer\(s\) ((?:'[^']+'(?:, )?)+)/g,
      (_all, peers: string) => `Added peer(s) ${sortList(peers)}`,
    );
}

/** Peers are named in the order of a hash table. */
function sortList(peers: string): string {
  return (peers.match(/'[^']+'/g) ?? []).sort().join(', ');
}
