import type { Clock } from '../effects.ts';
import { DriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { PipelineError } from '../hosts/pipeline.ts';
import { alienCode, type HostDevice } from '../hosts/scripts/identity.ts';
import { lastLines } from '../hosts/ssh.ts';
import type { Bytes } from '../units.ts';
import { type ProgressListener, withoutProgress } from './progress.ts';
import { wireCodes } from './wire.ts';

/** A device that is to be written. */
export interface TransferTarget extends HostDevice {
  readonly host: string;
  /** It must be at least as large. */
  readonly bytes: Bytes;
  /**
   * Known to read as zero everywhere: a new thin volume on every replica, or one that was zeroed. When in doubt, false:
   * then every byte is written or zeroed, and nobody reads another tenant's old blocks.
   */
  readonly readsZero: boolean;
}

/** In the place of a source's identity: a file of this machine, which the path policy has judged. */
export const notAVolume = '-';

export interface TransferOptions {
  /** Read back and compare. */
  readonly verify?: boolean;
  /** Compress on the way to another host. */
  readonly compress?: boolean;
  /** LIMIT_TRANSFER_BW, for what goes to another host; as for curl: bytes a second, with K, M, G. */
  readonly limitTransferBw?: string | undefined;
  /** For tests: from how many bytes of data on NBD is tried (nbd.ts). */
  readonly nbdFrom?: Bytes;
  /** Where chunk and staging files go on this machine; they have no name and vanish with the process. */
  readonly stagingDir?: string;
  readonly signal?: AbortSignal;
  readonly clock?: Pick<Clock, 'now'>;
  readonly onProgress?: ProgressListener;
  /** Milliseconds for the whole transfer; default 24 hours. */
  readonly timeoutMs?: number;
  /** Environment of the processes; for tests (PATH with another ssh). */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface TransferResult {
  /** Of the image; the device may be larger and is zero behind it. */
  readonly bytes: Bytes;
  readonly ms: number;
  /** What the wire carried, where it was counted. */
  readonly verified: boolean;
}

export const defaultTimeoutMs = 24 * 3600 * 1000;

/** Names of the stages: errors are told by them. */
export const stages = {
  fetch: 'fetch',
  checksum: 'checksum',
  unpack: 'unpack',
  head: 'read the head',
  store: 'store',
  read: 'read the source',
  pack: 'compress',
  write: 'write the device',
  copy: 'copy',
} as const;

function failedWrite(error: PipelineError, source: string, where: string): DriverError {
  const lines = lastLines(withoutProgress(error.stderr), 3);
  const said = lines.length > 0 ? `: ${lines.join(' | ')}` : '';
  switch (error.exitCode) {
    case wireCodes.noDevice:
      return new DriverError('DEVICE_MISSING', `there is no device ${where}; nothing was written`);
    case alienCode:
      return new DriverError('DEVICE_IDENTITY', `nothing was copied to ${where}${said}`);
    case wireCodes.tooLarge:
      return new DriverError('IMAGE_SIZE', `${source} is larger than the device ${where}`);
    case wireCodes.differs:
      return new DriverError('IMAGE_VERIFY', `what was read back from ${where} differs from ${source}`);
    case wireCodes.noSource:
      return new DriverError('DEVICE_MISSING', `${source} is not there, or shorter than it should be`);
    case wireCodes.brokenStream:
      return new DriverError('HOST_COMMAND', `the data for ${where} ended before their end${said}`, {
        remedy: 'see the log for what stopped the sending side, then retry',
      });
    case 255:
      return new DriverError('HOST_UNREACHABLE', `the connection for writing ${where} failed${said}`);
    default:
      return new DriverError(
        'HOST_COMMAND',
        `writing ${where} failed with exit code ${error.exitCode}${said}`,
      );
  }
}

/** xz: "Memory usage limit reached"; zstd: "Frame requires too much memory for decoding". */
function unpackRemedy(said: string): string {
  if (/memory/i.test(said))
    return 'unpacking it takes more than 1 GiB of memory; pack it again with a smaller window (xz -6, zstd without --long)';
  if (said.includes('stands behind the end'))
    return 'the file is damaged; if something belongs there (OpenWrt’s images have such a trailer), unpack it yourself, or import it from a file on the front-end';
  return 'the file is damaged or was cut off; fetch it again';
}

/** A failed pipeline as what it means for the image. */
export function transferError(
  error: unknown,
  source: string,
  target: Pick<TransferTarget, 'host' | 'device'>,
): unknown {
  if (!(error instanceof PipelineError)) return error;
  const where = `${target.device} on ${target.host}`;
  const lines = lastLines(withoutProgress(error.stderr), 3);
  const said = lines.length > 0 ? `: ${lines.join(' | ')}` : ` (exit code ${error.exitCode})`;
  switch (error.stage) {
    case stages.fetch:
      return new DriverError('IMAGE_FETCH', `${source} could not be fetched${said}`);
    case stages.unpack:
      return new DriverError('IMAGE_FORMAT', `${source} could not be decompressed${said}`, {
        remedy: unpackRemedy(error.stderr),
      });
    case stages.read:
      if (error.exitCode === 255)
        return new DriverError('HOST_UNREACHABLE', `reading ${source} failed${said}`);
      if ([wireCodes.noSource, wireCodes.tooLarge, alienCode].some((code) => code === error.exitCode))
        return failedWrite(error, source, where);
      return new DriverError('HOST_COMMAND', `reading ${source} failed${said}`);
    case stages.write:
    case stages.copy:
      return failedWrite(error, source, where);
    default:
      return error;
  }
}

/** Runs a transfer and tells the log of it, as of every other external call. */
export async function told<T>(
  hosts: Hosts,
  target: string,
  verb: string,
  work: () => Promise<T>,
): Promise<T> {
  const started = performance.now();
  const tell = (outcome: string): void =>
    hosts.onCall?.({
      kind: hosts.isFrontend(target) ? 'local' : 'ssh',
      target,
      verb,
      ms: Math.round(performance.now() - started),
      outcome,
    });
  try {
    const result = await work();
    tell('exit 0');
    return result;
  } catch (error) {
    tell(error instanceof DriverError ? error.code : 'INTERNAL');
    throw error;
  }
}
