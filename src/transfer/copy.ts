import { DriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { runPipeline, type Stage } from '../hosts/pipeline.ts';
import type { HostDevice } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { type Bytes, bytes } from '../units.ts';
import { partNames } from './local-copy.ts';
import { type NbdSource, sendByNbd } from './nbd.ts';
import findSourceText from './shell/find-source.sh' with { type: 'text' };
import {
  stages,
  type TransferOptions,
  type TransferResult,
  type TransferTarget,
  told,
  transferError,
} from './target.ts';
import { copyOnHost, pipelineOptions, senderCommand, wireEnd, writtenBytes } from './write.ts';

/** From a device (or a raw file standing for one) to another, on one host or between two. */

export interface CopySource extends HostDevice {
  readonly host: string;
  /** The image's length; the device may be larger (LINSTOR rounds up). Absent: all of the device. */
  readonly bytes?: Bytes;
  /** Where the chunk file goes on that host; it has no name there. */
  readonly chunkDirectory?: string;
}

interface Found {
  readonly size: Bytes;
  readonly isBlock: boolean;
  /** A raw file with holes. */
  readonly sparse: boolean;
}

const findScript = `${sizeFunctions}\n${findSourceText}`;

async function find(hosts: Hosts, source: CopySource): Promise<Found> {
  const { exitCode, stdout } = await hosts.run(source.host, {
    verb: 'find-source',
    script: findScript,
    args: [source.device],
    timeoutMs: 30_000,
    okCodes: [0, 71],
  });
  const [kind, size = '', blocks = '0'] = stdout.trim().split(' ');
  if (exitCode !== 0 || !/^\d+$/.test(size)) {
    throw new DriverError('DEVICE_MISSING', `there is no device ${source.device} on ${source.host}`);
  }
  const isBlock = kind === 'block';
  return { size: bytes(Number(size)), isBlock, sparse: !isBlock && Number(blocks) * 512 < Number(size) };
}

const sameHost = (hosts: Hosts, one: string, other: string): boolean =>
  one.toLowerCase() === other.toLowerCase() || (hosts.isFrontend(one) && hosts.isFrontend(other));

async function copyOverSsh(
  hosts: Hosts,
  source: CopySource,
  found: Found,
  total: Bytes,
  target: TransferTarget,
  options: TransferOptions,
): Promise<Bytes> {
  const onNbd: NbdSource = {
    ...(hosts.isFrontend(source.host) ? {} : { host: source.host }),
    format: 'raw',
    source: source.device,
    identity: source.identity,
    ...partOf(source, found, total),
    total,
    dataBytes: total,
  };
  const written = await sendByNbd(hosts, onNbd, target, options);
  if (written !== undefined) return written;
  const end = await wireEnd(hosts, target, options);
  const spec = {
    mode: found.sparse ? ('extents' as const) : ('windows' as const),
    source: source.device,
    identity: source.identity,
    format: 'raw',
    total,
    chunks: `${source.chunkDirectory ?? '/var/tmp'}/.linstor_un-`,
  };
  const argv = hosts.sshArgv(source.host, senderCommand(spec, options));
  const read: Stage = { name: stages.read, argv, secondaryCodes: [255] };
  const { stdout } = await runPipeline([read, ...end], pipelineOptions(options, total));
  return writtenBytes(stdout, target);
}

function partOf(source: CopySource, found: Found, total: Bytes): { part?: string } {
  if (total === found.size) return {};
  const [ofBlock, ofFile] = partNames(source.device, total);
  return { part: found.isBlock ? ofBlock : ofFile };
}

/**
 * Copies the content. On one host nothing leaves it; between two, only data travel: straight where the one may log in to
 * the other, else through this machine. The target is zero behind the copied length.
 *
 * Throws DEVICE_MISSING, IMAGE_SIZE (the source does not fit), IMAGE_VERIFY, HOST_*, INTERRUPTED.
 */
export async function copyDevice(
  hosts: Hosts,
  source: CopySource,
  target: TransferTarget,
  options: TransferOptions = {},
): Promise<TransferResult> {
  return told(hosts, target.host, 'copy', () => copyChecked(hosts, source, target, options));
}

async function copyChecked(
  hosts: Hosts,
  source: CopySource,
  target: TransferTarget,
  options: TransferOptions,
): Promise<TransferResult> {
  const started = performance.now();
  const label = labelOf(source);
  const done = (total: Bytes): TransferResult => ({
    bytes: total,
    ms: Math.round(performance.now() - started),
    verified: options.verify === true,
  });
  try {
    if (sameHost(hosts, source.host, target.host) && source.bytes !== undefined) {
      checkFits(label, source.bytes, target);
      const spec = {
        format: 'raw',
        source: source.device,
        identity: source.identity,
        total: source.bytes,
        isPart: true,
      };
      await copyOnHost(hosts, spec, target, options);
      return done(source.bytes);
    }
    return done(await copyFound(hosts, source, target, options));
  } catch (error) {
    throw transferError(error, label, target);
  }
}

/** Looks at the source first: how long it is, and how it is best read. */
async function copyFound(
  hosts: Hosts,
  source: CopySource,
  target: TransferTarget,
  options: TransferOptions,
): Promise<Bytes> {
  const label = labelOf(source);
  const found = await find(hosts, source);
  const total = source.bytes ?? found.size;
  if (total > found.size) {
    throw new DriverError('IMAGE_SIZE', `${label} has ${found.size} bytes, ${total} were to be copied`);
  }
  checkFits(label, total, target);
  if (sameHost(hosts, source.host, target.host)) {
    await copyOnHost(
      hosts,
      { format: 'raw', source: source.device, identity: source.identity, total },
      target,
      options,
    );
    return total;
  }
  const written = await copyOverSsh(hosts, source, found, total, target, options);
  if (written === total) return total;
  throw new DriverError('IMAGE_SIZE', `${written} of ${total} bytes were written to ${target.device}`);
}

const labelOf = (source: CopySource): string => `${source.device} on ${source.host}`;

function checkFits(label: string, total: Bytes, target: TransferTarget): void {
  if (total > target.bytes)
    throw new DriverError('IMAGE_SIZE', `${label}: ${total} bytes do not fit into ${target.bytes}`);
}
