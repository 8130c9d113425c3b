import * as z from 'zod/mini';
import { type KiB, kib } from '../units.ts';
import { toCapabilities } from './capabilities.ts';
import { checked } from './checked.ts';
import { codes } from './codes.ts';
import { refusal, toEntries } from './entries.ts';
import { isObject, type Json } from './json.ts';
import type {
  Capabilities,
  ErrorReport,
  LayerKind,
  Node,
  PlacementFilter,
  ResourceGroup,
  SizeInfo,
  StoragePool,
} from './linstor.ts';
import { nodeName, resourceName } from './names.ts';
import { codeOf } from './outcome.ts';
import * as schema from './schema.ts';

export function decodeVersion(raw: Json, what: string): Capabilities {
  const { version, rest_api_version } = checked(schema.version, raw, what);
  return toCapabilities(version, rest_api_version);
}

export function decodeNodes(raw: Json, what: string): Node[] {
  return checked(z.array(schema.node), raw, what).map((node) => ({
    name: nodeName(node.name),
    type: node.type ?? 'SATELLITE',
    status: node.connection_status ?? 'UNKNOWN',
    flags: node.flags,
    props: node.props,
    providers: node.storage_providers,
    layers: node.resource_layers,
    addresses: node.net_interfaces.flatMap((item) => item.address ?? []),
    ...(typeof node.eviction_timestamp === 'number' ? { evictsAt: node.eviction_timestamp } : {}),
  }));
}

/** Space in KiB; a bigint (the DISKLESS pool's 2^63-1) is no space at all and must never enter a sum. */
function space(value: number | bigint | null | undefined): KiB | undefined {
  return typeof value === 'number' && value >= 0 ? kib(value) : undefined;
}

export function decodePools(raw: Json, what: string): StoragePool[] {
  return checked(z.array(schema.storagePool), raw, what).map((pool) => {
    const freeKib = space(pool.free_capacity);
    const totalKib = space(pool.total_capacity);
    return {
      name: pool.storage_pool_name,
      node: nodeName(pool.node_name),
      provider: pool.provider_kind,
      ...(freeKib === undefined ? {} : { freeKib }),
      ...(totalKib === undefined ? {} : { totalKib }),
      freeSpaceManager: pool.free_space_mgr_name || `${pool.node_name};${pool.storage_pool_name}`,
      supportsSnapshots: pool.supports_snapshots ?? pool.static_traits['SupportsSnapshots'] === 'true',
      props: pool.props,
      reports: pool.reports.flatMap((entry) => entry.message ?? []),
    };
  });
}

type RawGroup = z.output<typeof schema.resourceGroup>;

function listField<K extends string, T>(name: K, list: readonly T[]): Partial<Record<K, readonly T[]>> {
  return list.length === 0 ? {} : ({ [name]: list } as Record<K, readonly T[]>);
}

function toFilter(raw: RawGroup['select_filter']): PlacementFilter {
  if (!raw) return {};
  // storage_pool is the old single form; it repeats the first of the list.
  const pools =
    raw.storage_pool_list.length > 0 ? raw.storage_pool_list : raw.storage_pool ? [raw.storage_pool] : [];
  return {
    ...(typeof raw.place_count === 'number' ? { placeCount: raw.place_count } : {}),
    ...listField('nodes', raw.node_name_list.map(nodeName)),
    ...listField('storagePools', pools),
    ...listField('disklessPools', raw.storage_pool_diskless_list),
    ...listField('notPlaceWith', raw.not_place_with_rsc.map(resourceName)),
    ...(raw.not_place_with_rsc_regex ? { notPlaceWithRegex: raw.not_place_with_rsc_regex } : {}),
    ...listField('replicasOnSame', raw.replicas_on_same),
    ...listField('replicasOnDifferent', raw.replicas_on_different),
    ...(raw.layer_stack.length > 0 ? { layers: raw.layer_stack as LayerKind[] } : {}),
    ...listField('providers', raw.provider_list),
  };
}

function toGroup(raw: RawGroup): ResourceGroup {
  return {
    name: raw.name,
    ...(raw.description ? { description: raw.description } : {}),
    props: raw.props,
    filter: toFilter(raw.select_filter),
  };
}

export function decodeGroup(raw: Json, what: string): ResourceGroup {
  return toGroup(checked(schema.resourceGroup, raw, what));
}

export function decodeGroups(raw: Json, what: string): ResourceGroup[] {
  return checked(z.array(schema.resourceGroup), raw, what).map(toGroup);
}

/**
 * `{space_info}` or `{reports}`, both with HTTP 200; the client prints the reports alone (linstor-behaviour §3.6, §4.2).
 * `undefined` when the group does not exist.
 */
export function decodeSizeInfo(raw: Json, what: string): SizeInfo | undefined {
  const reports = toEntries(isObject(raw) ? (raw['reports'] ?? []) : raw) ?? [];
  const info = isObject(raw) ? raw['space_info'] : undefined;
  if (info === undefined || info === null) {
    const first = reports[0];
    if (first && codeOf(first.retCode) === codes.FAIL_NOT_FOUND_RSC_GRP) return undefined;
    throw refusal(what, reports, 0);
  }
  const space = checked(schema.spaceInfo, info, what);
  return {
    maxVolumeKib: kib(space.max_vlm_size_in_kib ?? 0),
    availableKib: kib(space.available_size_in_kib ?? 0),
    capacityKib: kib(space.capacity_in_kib ?? 0),
  };
}

/** Newest first. */
export function decodeErrorReports(raw: Json, what: string): ErrorReport[] {
  return checked(z.array(schema.errorReport), raw, what)
    .map((item) => ({
      id: item.filename.replace(/^ErrorReport-/, '').replace(/\.log$/, ''),
      node: item.node_name ?? '',
      time: item.error_time,
      exception: item.exception ?? '',
      message: item.exception_message ?? '',
    }))
    .sort((a, b) => b.time - a.time);
}

/** A list of one; an empty one when there is none of that id (linstor-behaviour §3.15). */
export function decodeErrorText(raw: Json, what: string): string | undefined {
  return checked(z.array(schema.errorReport), raw, what)[0]?.text ?? undefined;
}

export function decodeProperties(raw: Json, what: string): Readonly<Record<string, string>> {
  return checked(schema.properties, raw, what);
}

/** A list of one (linstor-behaviour §3.15). */
export function decodeKeyValues(raw: Json, what: string): Readonly<Record<string, string>> {
  return checked(schema.keyValues, raw, what)[0]?.props ?? {};
}

export function decodePassphrase(raw: Json, what: string): 'unset' | 'locked' | 'unlocked' {
  // The published description shows an array, the controller sends the object.
  return checked(schema.passphraseStatus, Array.isArray(raw) ? (raw[0] ?? null) : raw, what).status;
}
