import type { RunningAction } from '../../log/read-running.ts';
import { bytes, humanSize } from '../../units.ts';
import type { Finding } from '../checks/check.ts';
import type { Paint } from '../paint.ts';
import { runningLines } from '../running.ts';
import { bar, natural, pad, table, wrapText } from '../table.ts';
import { describeBackup } from './backup.ts';
import type { ClusterStatus, NodeStatus, PoolStatus } from './model.ts';
import { type ImageStatus, isLocal, type VmStatus } from './object.ts';
import { troubleOf } from './trouble.ts';
import type { ReplicaStatus, VolumeStatus } from './volume.ts';
import { describeWholeVm } from './whole-vm.ts';

/** Screens of `status`: text from data, nothing else. */
export interface Screen {
  readonly width: number;
  readonly paint: Paint;
  /** Every volume, however many. */
  readonly all: boolean;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** More volumes than this are counted instead of listed. */
const listed = 30;
const troubleShown = 20;

const size = (value: number): string => humanSize(bytes(value));
const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

/** A cluster, and what doctor would warn of. */
export type JudgedCluster = ClusterStatus & { readonly problems: readonly Finding[] };

export interface Overview {
  readonly clusters: readonly JudgedCluster[];
  /** Why OpenNebula is not in the picture. */
  readonly oneError?: string;
  /** What gc would look at; unknown while OpenNebula or LINSTOR does not answer. */
  readonly leftovers?: number;
  /** On this front-end. */
  readonly running?: readonly RunningAction[];
}

export function renderOverview(overview: Overview, screen: Screen): string {
  const blocks = overview.clusters.map((cluster) => renderCluster(cluster, screen));
  if (overview.oneError !== undefined)
    blocks.unshift(
      wrapText(`OpenNebula cannot be asked: ${overview.oneError}`, screen.width).map(screen.paint.bad),
    );
  if (overview.leftovers)
    blocks.push([`Probably leftovers: ${plural(overview.leftovers, 'object')}   (linstor_un gc)`]);
  if (overview.running?.length) blocks.push(runningBlock(overview.running, screen));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

export function runningBlock(actions: readonly RunningAction[], { paint, width, now }: Screen): string[] {
  return [
    paint.strong('Actions on this front-end'),
    ...actions.flatMap((action) => runningLines(action, now, width - 2, paint).map((line) => `  ${line}`)),
  ];
}

function renderCluster(cluster: JudgedCluster, screen: Screen): string[] {
  const { paint, width } = screen;
  if (cluster.error !== undefined)
    return [
      paint.strong(`LINSTOR at ${cluster.label}`),
      ...wrapText(cluster.error, width - 2).map((line) => `  ${paint.bad(line)}`),
    ];
  const online = cluster.nodes.filter((node) => node.status === 'ONLINE').length;
  const lines = [
    paint.strong(`LINSTOR ${cluster.version} at ${cluster.label}`) +
      ` – ${plural(cluster.nodes.length, 'node')}, ${online} online`,
    '',
  ];
  lines.push(...poolTable(cluster.nodes, screen));
  if (cluster.hostsWithoutNode.length > 0)
    lines.push(
      ...wrapText(`Hosts without a LINSTOR node: ${cluster.hostsWithoutNode.join(', ')}`, width).map(
        paint.warn,
      ),
    );
  if (cluster.datastores.length > 0) lines.push('', ...renderDatastores(cluster, screen));
  lines.push('', ...renderVolumes(cluster, screen));
  return lines;
}

/** Machines with their pools. */
export function poolTable(nodes: readonly NodeStatus[], { width, paint }: Screen): string[] {
  const columns = [
    { title: 'Node', shrink: true },
    { title: 'Host', shrink: true },
    { title: 'State' },
    { title: 'Pool', shrink: true },
    { title: 'Used' },
    { title: 'Total', align: 'right' },
    { title: 'Provisioned', align: 'right' },
  ] as const;
  const rows = nodes.flatMap((node) => {
    const host = node.host === undefined ? '–' : node.hostState === 'off' ? `${node.host} (off)` : node.host;
    const state = node.status === 'ONLINE' ? paint.good('online') : paint.bad(node.status);
    const pools = node.pools.length > 0 ? node.pools : [undefined];
    return pools.map((pool, index) => [
      ...(index === 0 ? [node.name, host, state] : ['', '', '']),
      ...poolCells(pool, paint, width < narrow ? 4 : 10),
    ]);
  });
  return table(columns, rows, width);
}

/** Below so many columns bars are short. */
const narrow = 72;

function poolCells(pool: PoolStatus | undefined, paint: Paint, barWidth: number): string[] {
  if (!pool) return ['–', '', '', ''];
  const ratio = pool.total ? pool.provisioned / pool.total : 0;
  const promised =
    pool.provisioned === 0 ? '–' : `${size(pool.provisioned)}${ratio > 1 ? ` (${ratio.toFixed(1)}×)` : ''}`;
  if (pool.total === undefined || pool.used === undefined)
    return [pool.name, paint.warn('unknown'), '', promised];
  const share = pool.total === 0 ? 0 : pool.used / pool.total;
  const color = share >= 0.97 ? paint.bad : share >= 0.9 ? paint.warn : paint.good;
  return [
    pool.name,
    `${color(bar(share, barWidth))} ${pad(`${Math.round(share * 100)} %`, 5, 'right')}`,
    size(pool.total),
    promised,
  ];
}

function renderDatastores(cluster: ClusterStatus, { width, paint }: Screen): string[] {
  const rows = cluster.datastores.map((item) => [
    String(item.id),
    item.name,
    item.type,
    item.placement || '–',
    plural(item.volumes, item.type === 'image' ? 'image' : 'disk'),
    size(item.size),
  ]);
  const columns = [
    { title: '', align: 'right' },
    { title: '', shrink: true },
    { title: '' },
    { title: '', shrink: true },
    { title: '', align: 'right' },
    { title: '', align: 'right' },
  ] as const;
  return [paint.strong('Datastores'), ...table(columns, rows, width)];
}

function renderVolumes(cluster: JudgedCluster, screen: Screen): string[] {
  const { volumes } = cluster;
  const { paint, width } = screen;
  const count = (kind: VolumeStatus['kind']): number =>
    volumes.filter((volume) => volume.kind === kind).length;
  const parts = [plural(count('disk'), 'VM disk'), plural(count('image'), 'image')];
  if (count('checkpoint') > 0) parts.push(plural(count('checkpoint'), 'checkpoint'));
  if (count('memory') > 0) parts.push(plural(count('memory'), 'memory volume'));
  if (count('scratch') > 0) parts.push(`${count('scratch')} temporary`);
  if (count('trash') > 0) parts.push(`${count('trash')} in the trash`);
  const replicas = volumes.flatMap((volume) => volume.replicas.filter((replica) => replica.role === 'disk'));
  const lines = [`${paint.strong('Volumes')}  ${parts.join(', ')}; ${plural(replicas.length, 'replica')}`];
  const trouble = troubleOf(cluster, cluster.problems);
  const say = (text: string): void => {
    lines.push(...wrapText(text, width - 2).map((line) => `  ${paint.bad(line)}`));
  };
  if (cluster.problems.length === 0 && volumes.length > 0) lines.push(`  ${paint.good('all up to date')}`);
  for (const text of [...trouble.nodes, ...trouble.others]) say(text);
  for (const { volume, text } of trouble.volumes.slice(0, screen.all ? undefined : troubleShown))
    say(`${volume.resource}: ${text}`);
  if (!screen.all && trouble.volumes.length > troubleShown)
    lines.push(`  … and ${trouble.volumes.length - troubleShown} more degraded (--all)`);
  if (cluster.problems.length > 0) lines.push('  Run linstor_un doctor for the reasons and remedies.');
  if (screen.all || volumes.length <= listed) {
    if (volumes.length > 0) lines.push('', ...volumeTable(volumes, screen));
  } else lines.push(`  linstor_un status --all lists them; status vm ID and status image ID show one`);
  return lines;
}

const order = { image: 0, disk: 1, checkpoint: 2, memory: 3, scratch: 4, trash: 5 } as const;

function volumeTable(volumes: readonly VolumeStatus[], { width, paint }: Screen): string[] {
  const sorted = volumes.toSorted(
    (a, b) =>
      order[a.kind] - order[b.kind] ||
      (a.vm ?? a.image ?? 0) - (b.vm ?? b.image ?? 0) ||
      (a.disk ?? 0) - (b.disk ?? 0) ||
      natural(a.resource, b.resource),
  );
  const columns = [
    { title: 'Volume', shrink: true },
    { title: 'Size', align: 'right' },
    { title: 'Replicas', shrink: true },
    { title: 'State' },
    { title: 'In use on', shrink: true },
  ] as const;
  const rows = sorted.map((volume) => {
    const disks = volume.replicas.filter((replica) => replica.role === 'disk').map((replica) => replica.node);
    const open = volume.replicas.filter((replica) => replica.inUse).map((replica) => replica.node);
    return [
      volume.resource,
      size(volume.size),
      disks.join(' '),
      volume.trouble.length === 0 ? paint.good('ok') : paint.bad('degraded'),
      open.join(' ') || '–',
    ];
  });
  return table(columns, rows, width);
}

/** `status vm 7` */
export function renderVm({ vm, disks, checkpoint, backup, whole }: VmStatus, screen: Screen): string {
  const place = vm.history.at(-1);
  const head = `VM ${vm.id} “${vm.name}”`;
  const lines = [
    `${screen.paint.strong(head)}${place ? ` on ${place.hostname}, system datastore ${place.datastoreId}` : ''}`,
  ];
  for (const { disk, volume } of disks) {
    const from = disk.imageId === undefined ? '' : ` of image ${disk.imageId}`;
    const local = isLocal(volume);
    const reads = local === undefined ? '' : local ? ', local' : ', over the network';
    lines.push('', `Disk ${disk.id}: ${disk.kind}${disk.imageId === undefined ? '' : from}${reads}`);
    if (volume) lines.push(...renderVolume(volume, screen));
    else
      lines.push(
        `  ${screen.paint.faint(disk.tmMad === 'linstor_un' ? 'LINSTOR has no volume for it' : `not on LINSTOR (${disk.tmMad || 'unknown TM'})`)}`,
      );
  }
  if (checkpoint) lines.push('', 'Checkpoint', ...renderVolume(checkpoint, screen));
  if (whole) {
    lines.push('', 'Snapshots of the whole VM');
    for (const { text, isTrouble } of describeWholeVm(whole, vm.id))
      for (const line of wrapText(text, screen.width - 2))
        lines.push(`  ${isTrouble ? screen.paint.bad(line) : line}`);
  }
  if (backup) {
    lines.push('', 'Backups');
    for (const { text, isTrouble } of describeBackup(backup, vm.id))
      for (const line of wrapText(text, screen.width - 2))
        lines.push(`  ${isTrouble ? screen.paint.bad(line) : line}`);
  }
  return `${lines.join('\n')}\n`;
}

/** `status image 12` */
export function renderImage({ image, volume, vms }: ImageStatus, screen: Screen): string {
  const kind = image.persistent ? 'persistent' : 'non-persistent';
  const lines = [
    `${screen.paint.strong(`Image ${image.id} “${image.name}”`)} ${kind}${image.datastoreId === undefined ? '' : `, datastore ${image.datastoreId}`}`,
  ];
  if (volume) lines.push(...renderVolume(volume, screen));
  else lines.push(`  ${screen.paint.faint('LINSTOR has no volume for it')}`);
  if (vms.length > 0)
    lines.push(
      '',
      'Used by',
      ...vms.map((item) => `  VM ${item.id} “${item.name}” disk ${item.disk} (${item.kind})`),
    );
  return `${lines.join('\n')}\n`;
}

function renderVolume(volume: VolumeStatus, screen: Screen): string[] {
  const { paint, width } = screen;
  const facts = [volume.resource, size(volume.size), `group ${volume.group}`, volume.layers.join('+')].filter(
    (part) => part !== '',
  );
  const lines = [`  ${facts.join(', ')}`];
  const columns = [
    { title: '' },
    { title: '', shrink: true },
    { title: '' },
    { title: '' },
    { title: '', align: 'right' },
    { title: '', shrink: true },
  ] as const;
  const rows = volume.replicas.map((replica) => [
    replica.node,
    replica.role === 'disk' ? replica.pool : replica.role,
    stateText(replica, paint),
    replica.inUse ? 'in use' : '',
    replica.allocated === undefined ? '' : size(replica.allocated),
    replica.device ?? '',
  ]);
  lines.push(...table(columns, rows, width - 4).map((line) => `    ${line}`));
  if (volume.singlePoints)
    lines.push(
      ...wrapText(`cannot lose ${volume.singlePoints.join(' or ')}`, width - 4).map((line) => `    ${line}`),
    );
  if (volume.snapshots.length > 0)
    lines.push(
      ...wrapText(`snapshots: ${volume.snapshots.join(', ')}`, width - 4).map((line) => `    ${line}`),
    );
  return lines;
}

function stateText(replica: ReplicaStatus, paint: Paint): string {
  const well = replica.state === 'UpToDate' || replica.state === 'ok';
  if (well) return paint.good(replica.state);
  return replica.role === 'disk' ? paint.bad(replica.state) : replica.state;
}
