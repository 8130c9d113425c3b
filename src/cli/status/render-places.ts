import { bytes, humanSize } from '../../units.ts';
import { table, wrapText } from '../table.ts';
import type { DatastoreDetail, DatastoreRow } from './datastore.ts';
import type { PlaceStatus } from './place.ts';
import { poolTable, type Screen } from './render.ts';
import type { VolumeStatus } from './volume.ts';

const size = (value: number): string => humanSize(bytes(value));
const plain = (title: string, shrink = false): { title: string; shrink: boolean } => ({ title, shrink });

/** `status host node1`, `status node node1` */
export function renderPlace(place: PlaceStatus, screen: Screen): string {
  const { host, node, vms, volumes } = place;
  const { paint, width } = screen;
  const names = [node ? `Node ${node.name}` : '', host ? `host ${host.id} “${host.name}”` : ''].filter(
    Boolean,
  );
  const lines = [`${paint.strong(names.join(', '))}: ${stateText(place, screen)}`];
  if (node) lines.push('', ...poolTable([node], screen));
  lines.push('', paint.strong(vms.length === 0 ? 'No VM here' : 'VMs here'));
  lines.push(
    ...table(
      [plain('VM'), plain('Name', true), plain('Disk'), plain('Volume', true), plain('Data')],
      vms.map((each) => [
        String(each.vm.id),
        each.vm.name,
        `${each.disk.id} ${each.disk.kind}`,
        each.resource ?? '–',
        each.local === undefined ? '–' : each.local ? 'here' : 'over the network',
      ]),
      width,
    ),
  );
  if (!node) return `${lines.join('\n')}\n`;
  lines.push('', paint.strong(volumes.length === 0 ? 'No volume has data here' : 'Volumes with data here'));
  lines.push(
    ...table(
      [
        plain('Volume', true),
        { title: 'Size', align: 'right' },
        plain('State here'),
        plain('Other replicas', true),
      ],
      volumes.map((volume) => {
        const mine = volume.replicas.find((each) => each.node === node.name);
        const others = volume.replicas.filter((each) => each.node !== node.name && each.role === 'disk');
        const state = mine?.state ?? '–';
        const fine = state === 'UpToDate' || state === 'ok';
        return [
          volume.resource,
          size(volume.size),
          fine ? paint.good(state) : paint.bad(state),
          others.map((each) => `${each.node} ${each.state}`).join(', ') || 'none',
        ];
      }),
      width,
    ),
  );
  return `${lines.join('\n')}\n`;
}

function stateText({ host, node }: PlaceStatus, { paint }: Screen): string {
  const parts = [
    node === undefined
      ? paint.bad('no LINSTOR node')
      : node.status === 'ONLINE'
        ? paint.good('satellite online')
        : paint.bad(`satellite ${node.status}`),
    host === undefined ? 'no host of OpenNebula' : host.enabled ? 'takes VMs' : 'takes no VMs',
  ];
  return parts.join(', ');
}

/** `status datastore 100` */
export function renderDatastore(detail: DatastoreDetail, { paint, width }: Screen): string {
  const facts = [
    detail.group === undefined ? '' : `group ${detail.group}`,
    detail.replicas === undefined ? '' : `${detail.replicas} replicas`,
    detail.cloneMode === undefined ? '' : `clone mode ${detail.cloneMode}`,
    detail.encryption ? 'encrypted' : 'not encrypted',
    detail.controllers.length === 0 ? '' : `LINSTOR at ${detail.controllers.join(', ')}`,
  ].filter(Boolean);
  const isImage = detail.type === 'image';
  const columns = isImage
    ? [plain('Image'), plain('Name', true), ...volumeColumns, plain('VMs')]
    : [plain('VM'), plain('Name', true), plain('Disk'), ...volumeColumns];
  const rows = detail.rows.map((row) => {
    const volume = volumeCells(
      row.volume,
      (text) => paint.good(text),
      (text) => paint.bad(text),
    );
    return isImage
      ? [String(row.id), row.name, ...volume, String(row.users ?? 0)]
      : [String(row.id), row.name, String(row.disk ?? ''), ...volume];
  });
  const kind = detail.type === 'other' ? 'Datastore' : `${isImage ? 'Image' : 'System'} datastore`;
  return `${[
    paint.strong(`${kind} ${detail.id} “${detail.name}”`),
    ...wrapText(facts.join(', '), width - 2).map((line) => `  ${line}`),
    '',
    ...(rows.length === 0 ? [isImage ? 'No image' : 'No VM'] : table(columns, rows, width)),
  ].join('\n')}\n`;
}

const volumeColumns = [
  plain('Volume', true),
  { title: 'Size', align: 'right' },
  plain('Replicas', true),
  plain('State'),
] as const;

function volumeCells(
  volume: VolumeStatus | undefined,
  good: (text: string) => string,
  bad: (text: string) => string,
): string[] {
  if (!volume) return ['none', '–', '–', bad('missing')];
  const nodes = volume.replicas.filter((each) => each.role === 'disk').map((each) => each.node);
  return [
    volume.resource,
    size(volume.size),
    nodes.join(' ') || 'none',
    volume.trouble.length === 0 ? good('ok') : bad('degraded'),
  ];
}

/** A row without its volume, or with a volume in trouble. */
export const isDegraded = ({ volume }: DatastoreRow): boolean =>
  volume === undefined || volume.trouble.length > 0;
