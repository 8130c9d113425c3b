import type { TableKind } from './command.ts';
import { asList, asObject, asText, type Json, type JsonObject, printJson } from './json.ts';
import { showSize } from './sizes.ts';

/** Tables for people, with the columns of the real client. */

interface Column {
  readonly title: string;
  readonly right?: boolean;
  readonly of: (item: JsonObject) => string;
}

export function drawTable(
  titles: readonly { title: string; right?: boolean }[],
  rows: readonly (readonly string[])[],
): string {
  const widths = titles.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => (titles[index]?.right ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0))).join(' | ')} |`;
  const inner = widths.reduce((sum, width) => sum + width + 3, -1);
  return [
    `+${'-'.repeat(inner)}+`,
    line(titles.map(({ title }) => title)),
    `|${'='.repeat(inner)}|`,
    ...rows.map(line),
    `+${'-'.repeat(inner)}+`,
  ].join('\n');
}

const text =
  (name: string) =>
  (item: JsonObject): string =>
    asText(item[name]);
const join = (value: Json | undefined, separator = ', '): string => asList(value).map(asText).join(separator);
const capitalised = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
const time = (value: Json | undefined): string =>
  value === undefined ? '' : new Date(Number(value)).toISOString().slice(0, 19).replace('T', ' ');

/** Capacities of diskless pools are no sizes. */
const capacity =
  (name: string) =>
  (item: JsonObject): string => {
    const value = item[name];
    return typeof value === 'number' && item['provider_kind'] !== 'DISKLESS' ? showSize(value) : '';
  };

function layers(item: JsonObject): string {
  const names: string[] = [];
  let layer: JsonObject | undefined = asObject(item['layer_object']);
  while (layer && layer['type'] !== undefined) {
    names.push(asText(layer['type']));
    const [child] = asList(layer['children']);
    layer = child === undefined ? undefined : asObject(child);
  }
  return names.join(',');
}

const usage = (item: JsonObject): string =>
  ({ true: 'InUse', false: 'Unused' })[asText(asObject(item['state'])['in_use'])] ?? '';

/** The state of a volume: of the DRBD disk, or that the resource exists at all. */
function diskState(item: JsonObject, volume: JsonObject): string {
  const flags = asList(item['flags']).map(asText);
  if (flags.includes('DELETE')) return 'DELETING';
  const state = asText(asObject(volume['state'])['disk_state']);
  if (flags.includes('TIE_BREAKER')) return 'TieBreaker';
  if (state !== '') return state;
  return item['state'] === undefined ? 'Unknown' : 'Created';
}

const state = (item: JsonObject): string =>
  asList(item['volumes'])
    .map((volume) => diskState(item, asObject(volume)))
    .join(', ') || 'Unknown';

const filterText = (item: JsonObject): string =>
  Object.entries(asObject(item['select_filter']))
    .filter(([name]) => name !== 'storage_pool')
    .map(
      ([name, value]) =>
        `${name.split('_').map(capitalised).join('')}: ${Array.isArray(value) ? join(value) : asText(value)}`,
    )
    .join('; ');

const columns: Readonly<Record<Exclude<TableKind, 'json'>, readonly Column[]>> = {
  nodes: [
    { title: 'Node', of: text('name') },
    { title: 'NodeType', of: text('type') },
    {
      title: 'Addresses',
      of: (item) =>
        asList(item['net_interfaces'])
          .map(asObject)
          .map(
            (each) =>
              `${asText(each['address'])}${each['satellite_port'] === undefined ? '' : `:${asText(each['satellite_port'])} (${asText(each['satellite_encryption_type'])})`}`,
          )
          .join(', '),
    },
    {
      title: 'State',
      of: (item) =>
        [
          item['connection_status'] === 'ONLINE' ? 'Online' : asText(item['connection_status'] ?? 'OFFLINE'),
          ...asList(item['flags']).map(asText),
        ].join(', '),
    },
  ],
  pools: [
    { title: 'StoragePool', of: text('storage_pool_name') },
    { title: 'Node', of: text('node_name') },
    { title: 'Driver', of: text('provider_kind') },
    { title: 'PoolName', of: (item) => asText(asObject(item['props'])['StorDriver/StorPoolName']) },
    { title: 'FreeCapacity', right: true, of: capacity('free_capacity') },
    { title: 'TotalCapacity', right: true, of: capacity('total_capacity') },
    { title: 'CanSnapshots', of: (item) => capitalised(asText(item['supports_snapshots'])) },
    { title: 'State', of: (item) => (item['reports'] === undefined ? 'Ok' : 'Error') },
    { title: 'SharedName', of: text('free_space_mgr_name') },
  ],
  groups: [
    { title: 'ResourceGroup', of: text('name') },
    { title: 'SelectFilter', of: filterText },
    { title: 'Description', of: text('description') },
  ],
  'volume-groups': [
    { title: 'VolumeNr', right: true, of: text('volume_number') },
    { title: 'Flags', of: (item) => join(item['flags']) },
  ],
  definitions: [
    { title: 'ResourceName', of: text('name') },
    { title: 'ResourceGroup', of: text('resource_group_name') },
    {
      title: 'Layers',
      of: (item) =>
        asList(item['layer_data'])
          .map((each) => asText(asObject(each)['type']))
          .join(','),
    },
    { title: 'State', of: (item) => join(item['flags']) || 'ok' },
  ],
  'volume-definitions': [],
  resources: [
    { title: 'ResourceName', of: text('name') },
    { title: 'Node', of: text('node_name') },
    { title: 'Layers', of: layers },
    { title: 'Usage', of: usage },
    { title: 'State', right: true, of: state },
    { title: 'CreatedOn', of: (item) => time(item['create_timestamp']) },
  ],
  volumes: [],
  snapshots: [
    { title: 'ResourceName', of: text('resource_name') },
    { title: 'SnapshotName', of: text('name') },
    { title: 'NodeNames', of: (item) => join(item['nodes']) },
    {
      title: 'Volumes',
      of: (item) =>
        asList(item['volume_definitions'])
          .map(asObject)
          .map((each) => `${asText(each['volume_number'])}: ${showSize(Number(each['size_kib']))}`)
          .join(', '),
    },
    { title: 'CreatedOn', of: (item) => time(asObject(asList(item['snapshots'])[0])['create_timestamp']) },
    {
      title: 'State',
      of: (item) =>
        asList(item['flags'])
          .map((each) => capitalised(asText(each)))
          .join(', '),
    },
  ],
  reports: [
    { title: 'Id', of: (item) => asText(item['filename']).replace(/^ErrorReport-|\.log$/g, '') },
    { title: 'Datetime', of: (item) => time(item['error_time']) },
    { title: 'Node', of: text('node_name') },
    {
      title: 'Exception',
      of: (item) =>
        [asText(item['exception']), asText(item['exception_message'])]
          .filter((part) => part !== '')
          .join(': '),
    },
  ],
};

const volumeDefinitionRow = (item: JsonObject, volume: JsonObject): string[] => [
  asText(item['name']),
  asText(volume['volume_number']),
  showSize(Number(volume['size_kib'])),
  join(volume['flags']) || 'ok',
];

const volumeRow = (item: JsonObject, volume: JsonObject): string[] => [
  asText(item['name']),
  asText(item['node_name']),
  asText(volume['storage_pool_name']),
  asText(volume['volume_number']),
  asText(volume['device_path']),
  volume['allocated_size_kib'] === undefined ? '' : showSize(Number(volume['allocated_size_kib'])),
  usage(item),
  diskState(item, volume),
];

export function showTable(kind: TableKind, answer: Json): string {
  const items = asList(answer).map(asObject);
  if (kind === 'json') return printJson(answer);
  if (kind === 'volume-definitions') {
    const rows = items.flatMap((item) =>
      asList(item['volume_definitions']).map((each) => volumeDefinitionRow(item, asObject(each))),
    );
    return drawTable(
      [
        { title: 'ResourceName' },
        { title: 'VolumeNr', right: true },
        { title: 'Size', right: true },
        { title: 'State' },
      ],
      rows,
    );
  }
  if (kind === 'volumes') {
    const rows = items.flatMap((item) =>
      asList(item['volumes']).map((each) => volumeRow(item, asObject(each))),
    );
    const titles = ['Resource', 'Node', 'StoragePool', 'VolNr', 'DeviceName', 'Allocated', 'InUse', 'State'];
    return drawTable(
      titles.map((title) => ({
        title,
        right: title === 'VolNr' || title === 'Allocated' || title === 'State',
      })),
      rows,
    );
  }
  return drawTable(
    columns[kind],
    items.map((item) => columns[kind].map((column) => column.of(item))),
  );
}

/** The stores by name, or the keys of one; an empty table where there is none (the client compares names by case). */
export function showKeyValues(stores: readonly JsonObject[], instance: string | undefined): string {
  if (instance === undefined) {
    return drawTable(
      [{ title: 'Name' }],
      stores.map((store) => [asText(store['name'])]),
    );
  }
  const props = asObject(stores.find((store) => store['name'] === instance)?.['props']);
  return drawTable(
    [{ title: 'Key' }, { title: 'Value' }],
    Object.entries(props).map(([key, value]) => [key, asText(value)]),
  );
}
