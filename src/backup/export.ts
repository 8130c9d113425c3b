import type { Context } from '../context.ts';
import type { Machines } from '../disks/bridge.ts';
import { nodeOfHost } from '../disks/host-node.ts';
import { DriverError, isDriverError } from '../errors.ts';
import { PipelineError, type PipelineOptions, runPipeline, type Stage } from '../hosts/pipeline.ts';
import { lastLines } from '../hosts/ssh.ts';
import type { NodeName, Resource, Snapshot } from '../linstor/linstor.ts';
import { progressReader, withoutProgress, withProgress } from '../transfer/progress.ts';
import { type Bytes, bytes, type KiB, kibToBytes } from '../units.ts';
import { isDiskful, sameName } from '../volumes/replicas.ts';
import { type ReadableDevice, withDiskDevice, withSnapshotDevice } from './device.ts';
import type { BackupDisk } from './disks.ts';
import { buildImage, finishImages, imageCodes, receiveImage } from './image-script.ts';
import type { BackupPlace } from './place.ts';
import type { Parent } from './points.ts';

export interface Export {
  readonly vmId: number;
  readonly disk: BackupDisk;
  /** What is exported; absent: the disk itself, which nobody writes to. */
  readonly snapshot?: Snapshot;
  /** `full`: a file of its own. The others make an increment: the difference to the parent, or everything where that is lost. */
  readonly how: 'full' | 'difference' | 'whole';
  readonly parent?: Parent;
  readonly place: BackupPlace;
  readonly machines: Machines;
}

/** What the file is called until it is complete: nothing takes it for a disk. */
const unfinished = (place: BackupPlace, disk: BackupDisk): string =>
  `${place.directory}/part.${disk.disk.id}`;

const longMs = 24 * 3600 * 1000;

/** Writes one disk's file under a name that nobody takes for a disk. */
export async function exportDisk(ctx: Context, request: Export): Promise<void> {
  const { disk, snapshot, how, parent } = request;
  if (!snapshot) {
    await withDiskDevice(ctx, disk, request.machines, (device) => build(ctx, request, 'full', device));
    return;
  }
  const compares = how === 'difference' && parent !== undefined;
  const { backupDiff } = disk.settings;
  const nodes = nodesOf(request, snapshot, compares ? parent : undefined);
  const minKib = (snapshot.volumes[0]?.sizeKib ?? 1) as KiB;
  const common = { vmId: request.vmId, disk, nodes, machines: request.machines };
  await withSnapshotDevice(
    ctx,
    { ...common, snapshot: snapshot.name, role: 'new', minKib },
    async (device) => {
      if (!compares) {
        await build(ctx, request, how === 'full' ? 'full' : 'whole', device);
        return;
      }
      if (backupDiff !== 'compare' && (await byThinDelta(ctx, request, device, snapshot, parent))) return;
      const old = {
        ...common,
        snapshot: parent.name,
        role: 'old',
        host: device.host,
        minKib: 1 as KiB,
      } as const;
      await withSnapshotDevice(ctx, old, (before) => build(ctx, request, 'compare', device, before));
    },
  );
}

/**
 * Asks the thin pool what has changed. False when it cannot be asked, for whatever reason: comparing gives the same result and only takes
 * longer.
 */
async function byThinDelta(
  ctx: Context,
  request: Export,
  device: ReadableDevice,
  snapshot: Snapshot,
  parent: Parent,
): Promise<boolean> {
  const { disk } = request;
  const wanted = disk.settings.backupDiff === 'thin_delta';
  const tell = (why: string): false => {
    const text = `what has changed on disk ${disk.disk.id} is found by comparing: ${why}`;
    if (wanted) ctx.log.warn(text);
    else ctx.log.info(text);
    return false;
  };
  const replica = disk.view.find((each) => sameName(each.node, device.node) && isDiskful(each));
  if (!replica) return tell(`${device.host} reads it from another node`);
  if (!isThin(replica))
    return wanted ? tell(`it is not plainly in an LVM thin pool on ${device.node}`) : false;
  const names = [parent.name, snapshot.name].map((name) => `${disk.resource}_00000_${name}`);
  try {
    await build(ctx, request, 'thin', device, undefined, names);
    return true;
  } catch (error) {
    if (!isDriverError(error, 'NOT_SUPPORTED')) throw error;
    return tell(error.message);
  }
}

/** Blocks of the pool are blocks of the disk: nothing between them moves or encrypts data. */
const isThin = (replica: Resource): boolean =>
  replica.layers.every((layer) => layer === 'DRBD' || layer === 'STORAGE') &&
  replica.volumes.every((volume) => volume.provider === 'LVM_THIN');

/** Where the snapshot can be read, the host that gets the file first: then nothing travels. */
function nodesOf(
  { disk, place, machines }: Export,
  snapshot: Snapshot,
  parent: Parent | undefined,
): NodeName[] {
  const among = parent?.nodes ?? disk.readable;
  const nodes = among.filter((node) => snapshot.nodes.some((each) => sameName(each, node)));
  if (nodes.length === 0)
    throw new DriverError(
      'SNAPSHOT',
      `snapshot ${snapshot.name} of ${disk.resource} is on ${snapshot.nodes.join(', ')}, where it cannot be read now`,
    );
  const here = nodeOfHost(place.host, machines.nodes, disk.settings.nodeMap)?.name;
  const isHere = (node: NodeName): number => Number(here !== undefined && sameName(node, here));
  return [...nodes].sort((a, b) => isHere(b) - isHere(a));
}

async function build(
  ctx: Context,
  request: Export,
  how: 'full' | 'compare' | 'whole' | 'thin',
  device: ReadableDevice,
  before?: ReadableDevice,
  thinVolumes: readonly string[] = [],
): Promise<void> {
  const { disk, place } = request;
  const target = unfinished(place, disk);
  const here = device.host.toLowerCase() === place.host.toLowerCase();
  const args = [how, device.device, before?.device ?? '', here ? target : '', ...thinVolumes];
  const name = `export of disk ${disk.disk.id} on ${device.host}`;
  const make: Stage = { name, argv: ctx.hosts.sshArgv(device.host, { script: buildImage, args }) };
  const receive: Stage = {
    name: `receipt of disk ${disk.disk.id} on ${place.host}`,
    argv: ctx.hosts.sshArgv(place.host, { script: receiveImage, args: [target] }),
    secondaryCodes: [imageCodes.short],
  };
  const size = kibToBytes((disk.definition.volumes[0]?.sizeKib ?? 0) as KiB);
  await withProgress(ctx.log, `backup of disk ${disk.disk.id}`, ctx.clock, async (onProgress) => {
    const options: PipelineOptions = {
      timeoutMs: longMs,
      signal: ctx.signal,
      holdStdin: true,
      onStderr: progressReader(onProgress, ctx.clock, size),
    };
    const started = performance.now();
    const tell = (outcome: string): void =>
      ctx.hosts.onCall?.({
        kind: ctx.hosts.isFrontend(device.host) ? 'local' : 'ssh',
        target: device.host,
        verb: `backup-${how}`,
        ms: Math.round(performance.now() - started),
        outcome,
      });
    try {
      await runPipeline(here ? [make] : [make, receive], options);
      tell('exit 0');
    } catch (error) {
      tell(error instanceof PipelineError ? `exit ${error.exitCode}` : 'failed');
      throw explained(error, request, device);
    }
  });
}

function explained(error: unknown, { disk, place }: Export, device: ReadableDevice): unknown {
  if (!(error instanceof PipelineError)) return error;
  const what = `disk ${disk.disk.id} (${disk.resource}) is not exported`;
  const lines = lastLines(withoutProgress(error.stderr), 3);
  const said = lines.length > 0 ? `: ${lines.join(' | ')}` : '';
  switch (error.exitCode) {
    case imageCodes.noDevice:
      return new DriverError(
        'DEVICE_MISSING',
        `${what}: there is no device ${device.device} on ${device.host}`,
      );
    case imageCodes.noTool:
      return new DriverError('HOST_COMMAND', `${what}${said} on ${device.host}`, {
        remedy: `install qemu-utils (Debian, Ubuntu) or qemu-img (RHEL) on ${device.host}`,
      });
    case imageCodes.noSpace:
      return new DriverError(
        'HOST_COMMAND',
        `${what}: ${place.host} or ${device.host} does not take the file${said}`,
        {
          remedy: `make room in ${place.directory} on ${place.host} and in /var/tmp on ${device.host}, or set BACKUP_BASE_PATH in datastore.conf`,
        },
      );
    case imageCodes.noDelta:
      return new DriverError('NOT_SUPPORTED', `the thin pool on ${device.host} does not say${said}`);
    case 255:
      return new DriverError('HOST_UNREACHABLE', `${what}: ${error.message}`, { cause: error });
    default:
      return new DriverError('HOST_COMMAND', `${what}${said || `: ${error.message}`}`, { cause: error });
  }
}

export interface Finished {
  readonly diskId: number;
  /** As the guest sees the disk. */
  readonly virtualBytes: Bytes;
  /** On the file system. */
  readonly fileBytes: Bytes;
}

/** Checks all files and gives them their names: either all disks are there, or none that could be taken for one. */
export async function finishFiles(
  ctx: Context,
  place: BackupPlace,
  disks: readonly BackupDisk[],
  number: number,
): Promise<readonly Finished[]> {
  const names = disks.flatMap((disk) => [
    unfinished(place, disk),
    `${place.directory}/disk.${disk.disk.id}.${number}`,
  ]);
  const { stdout } = await ctx.hosts.run(place.host, {
    verb: 'finish-backup',
    script: finishImages,
    args: names,
    timeoutMs: 60 * 60_000,
  });
  const lines = stdout.trim().split('\n');
  return disks.map((disk, index) => {
    const info = JSON.parse(lines[index * 2] ?? '{}') as Readonly<Record<string, unknown>>;
    const [blocks = 0, unit = 512] = (lines[index * 2 + 1] ?? '').split(' ').map(Number);
    const virtual = Number(info['virtual-size']);
    if (info['format'] !== 'qcow2' || !(virtual > 0) || info['backing-filename'] !== undefined)
      throw new DriverError('IMAGE_FORMAT', `the file of disk ${disk.disk.id} is not what a backup needs`, {
        details: [lines[index * 2] ?? ''],
      });
    return { diskId: disk.disk.id, virtualBytes: bytes(virtual), fileBytes: bytes(blocks * unit) };
  });
}
