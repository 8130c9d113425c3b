import { rmSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import type { Context } from '../context.ts';
import { diskSettings, isOurs, requireDisk } from '../disks/disk-call.ts';
import { DriverError } from '../errors.ts';
import type { FileFormat } from '../export/file.ts';
import type { Exported } from '../export/volume.ts';
import { snapshotsOf } from '../opennebula/documents.ts';
import { driverName } from '../opennebula/driver-name.ts';
import { imageState, vmState } from '../opennebula/states.ts';
import { terminalOf } from '../standard-io.ts';
import { privateDirectory } from '../transfer/staging.ts';
import { kibToBytes } from '../units.ts';
import { resourceOfDisk } from '../volumes/disk.ts';
import { namesFor, resourceOfSource, snapshotName } from '../volumes/names.ts';
import { presentName } from '../volumes/stand-in.ts';
import { wholeNumber } from './arguments.ts';
import { type CliEnvironment, operatorCommand } from './command.ts';

export const exportCommand = operatorCommand({
  name: 'export',
  summary:
    'Write an image, a disk of a VM or one of its snapshots to a file on this machine, raw or qcow2. A disk in use is read from a snapshot, as it is at one moment; the VM runs on.',
  args: {
    what: { type: 'positional', required: true, description: 'image or vm' },
    id: { type: 'positional', required: true, description: 'its id' },
    file: { type: 'positional', required: true, description: 'the file to be made; - for stdout' },
    disk: { type: 'string', valueHint: 'ID', description: 'vm: id of the disk; default 0' },
    snapshot: {
      type: 'string',
      valueHint: 'ID',
      description: 'that snapshot instead of the present content',
    },
    format: {
      type: 'string',
      valueHint: 'FORMAT',
      description: 'raw or qcow2; default: by the name of the file, raw for .raw, .img and stdout',
    },
  },
  exitCodes: [
    [0, 'the file is whole'],
    [1, 'failed; there is no file, and the reason is on stderr'],
  ],
  examples: [
    ['export image 12 alma.qcow2', 'only data are read and sent'],
    ['export vm 7 --disk 1 --snapshot 3 data.raw', 'disk 1 as it was at snapshot 3; holes stay holes'],
    ['export vm 7 - | zstd > disk.zst', 'the first disk, raw, into a pipe'],
  ],
  run: async (args, environment) => {
    const format = formatFor(args.file, args.format);
    if (args.file === '-' && process.stdout.isTTY)
      throw new DriverError('USAGE', 'a disk is not written to a terminal', {
        remedy: 'give a file, or a pipe',
      });
    const context = withProgressOf(await environment.context(), environment);
    const id = wholeNumber(`export ${args.what}`, args.id) ?? 0;
    const snapshot = wholeNumber('--snapshot', args.snapshot);
    const request = await subject(context, args.what, id, wholeNumber('--disk', args.disk), snapshot);
    // What is made on the way is taken back when it fails or is stopped.
    await context.undo.within(() => write(context, environment, request, args.file, format));
    return 0;
  },
});

function formatFor(file: string, given: string | undefined): FileFormat {
  if (given === 'raw' || given === 'qcow2') return given;
  if (given !== undefined)
    throw new DriverError('USAGE', `--format: “${given}” is neither raw nor qcow2`, {
      remedy: 'qemu-img convert makes other formats of the file',
    });
  return file === '-' || ['.raw', '.img'].includes(extname(file).toLowerCase()) ? 'raw' : 'qcow2';
}

function withProgressOf(context: Context, { terminal }: CliEnvironment): Context {
  const screen = terminalOf();
  const log = { ...context.log, info: (text: string) => terminal.message('info', text) };
  return { ...context, log: screen ? { ...log, terminal: screen } : log };
}

async function subject(
  context: Context,
  what: string,
  id: number,
  disk: number | undefined,
  snapshot: number | undefined,
): Promise<Exported> {
  if (what === 'image') {
    if (disk !== undefined) throw new DriverError('USAGE', '--disk goes with vm');
    return ofImage(context, id, snapshot);
  }
  if (what === 'vm') return ofDisk(context, id, disk ?? 0, snapshot);
  throw new DriverError('USAGE', `export: “${what}” is neither image nor vm`, {
    remedy: 'linstor_un export image 12 FILE, or linstor_un export vm 7 --disk 0 FILE',
  });
}

async function ofImage(context: Context, id: number, snapshot: number | undefined): Promise<Exported> {
  const image = await context.one.image(id);
  const datastore = await context.one.datastore(image.datastoreId ?? -1);
  if (!isOurs(datastore))
    throw new DriverError(
      'NOT_SUPPORTED',
      `image ${id} is not on LINSTOR (datastore ${datastore.id}, ${datastore.dsMad})`,
    );
  const settings = context.settings(datastore.template);
  requireKnown(image.snapshots, snapshot, `image ${id}`);
  return {
    linstor: context.linstor(settings),
    settings,
    resource: resourceOfSource(image.source),
    what: `image ${id}`,
    busy: image.state === imageState.USED_PERS,
    ...(snapshot === undefined ? {} : { snapshot: snapshotName(snapshot) }),
  };
}

async function ofDisk(
  context: Context,
  id: number,
  diskId: number,
  snapshot: number | undefined,
): Promise<Exported> {
  const vm = await context.one.vm(id);
  const disk = requireDisk(vm, diskId);
  if (disk.tmMad !== driverName || disk.kind === 'filesystem')
    throw new DriverError(
      'NOT_SUPPORTED',
      `disk ${diskId} of VM ${id} is not on LINSTOR (${disk.tmMad || disk.kind})`,
    );
  const system = vm.history.at(-1)?.datastoreId;
  if (system === undefined)
    throw new DriverError('NOT_SUPPORTED', `VM ${id} has never been deployed: it has no disks yet`);
  const settings = await diskSettings(context, disk.datastoreId ?? system, system);
  const linstor = context.linstor(settings);
  const { resource, ownedByVm } = resourceOfDisk(vm, disk, settings.namePrefix);
  const names = ownedByVm ? [...namesFor(resource)] : [resource];
  requireKnown(snapshotsOf(vm, diskId), snapshot, `disk ${diskId} of VM ${id}`);
  return {
    linstor,
    settings,
    resource: ownedByVm ? presentName(resource, await linstor.definitions({ names })) : resource,
    what: `disk ${diskId} of VM ${id}`,
    busy: vm.state === vmState.ACTIVE,
    ...(snapshot === undefined ? {} : { snapshot: snapshotName(snapshot) }),
  };
}

function requireKnown(known: readonly { readonly id: number }[], id: number | undefined, what: string): void {
  if (id === undefined || known.some((each) => each.id === id)) return;
  throw new DriverError('USAGE', `${what} has no snapshot ${id}`, {
    remedy: known.length > 0 ? `it has ${known.map((each) => each.id).join(', ')}` : 'it has none',
  });
}

async function write(
  context: Context,
  { terminal }: CliEnvironment,
  request: Exported,
  file: string,
  format: FileFormat,
): Promise<void> {
  const [{ withContentDevice }, { writeFile }] = await Promise.all([
    import('../export/volume.ts'),
    import('../export/file.ts'),
  ]);
  const toPipe = file === '-';
  const directory = toPipe ? privateDirectory(request.settings.stagingDir) : undefined;
  const path = directory === undefined ? resolve(file) : join(directory, 'disk');
  try {
    await withContentDevice(context, request, async (device, sizeKib) => {
      const label = `export of ${request.what}`;
      await writeFile(context, device, { path, format, bytes: kibToBytes(sizeKib), label });
    });
    if (toPipe) await pour(path);
    else terminal.message('success', `${request.what} is in ${file} (${format})`);
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

/** By a process of its own: bytes of images never pass through this program. */
async function pour(path: string): Promise<void> {
  const child = Bun.spawn(['cat', '--', path], { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' });
  if ((await child.exited) !== 0)
    throw new DriverError('HOST_COMMAND', 'the reader of stdout has gone before the end');
}
