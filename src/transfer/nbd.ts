import type { Hosts } from '../hosts/hosts.ts';
import { PipelineError, runPipeline, type Stage } from '../hosts/pipeline.ts';
import type { DeviceIdentity } from '../hosts/scripts/identity.ts';
import { localArgv } from '../hosts/ssh.ts';
import { type Bytes, bytes } from '../units.ts';
import { bandwidth } from './bandwidth.ts';
import { nbdReceiver, nbdSender, socketDirectory } from './nbd-scripts.ts';
import { notAVolume, stages, type TransferOptions, type TransferTarget } from './target.ts';
import { wireCodes } from './wire.ts';
import { pipelineOptions, writtenBytes } from './write.ts';

/** Below that, a connection of its own takes longer than what it saves. */
const worthwhile = bytes(64 * 1024 * 1024);

export interface NbdSource {
  readonly format: string;
  readonly source: string;
  /** Absent: no volume. */
  readonly identity?: DeviceIdentity;
  /** Only a part of the source: its name (`partNames`). */
  readonly part?: string;
  /** The host that reads; absent: this machine. */
  readonly host?: string;
  /** The most that may have to be sent. */
  readonly dataBytes: Bytes;
  /** The image's length. */
  readonly total: Bytes;
}

/** VERIFY and compression are the wire's; the front-end has no sshd of ours to ask. */
function suitsNbd(
  hosts: Hosts,
  source: NbdSource,
  target: TransferTarget,
  options: TransferOptions,
): boolean {
  if (options.verify || options.compress || hosts.isFrontend(target.host)) return false;
  return source.dataBytes >= (options.nbdFrom ?? worthwhile);
}

/**
 * Sends the source to the target, straight from the host that has it. Returns undefined when that is not worth it or cannot be done
 * here; nothing was written then. Throws PipelineError, IMAGE_SIZE, HOST_TIMEOUT, INTERRUPTED.
 */
export async function sendByNbd(
  hosts: Hosts,
  source: NbdSource,
  target: TransferTarget,
  options: TransferOptions,
  descriptors?: readonly number[],
): Promise<Bytes | undefined> {
  if (!suitsNbd(hosts, source, target, options)) return undefined;
  const directory = socketDirectory();
  const receiver = hosts.sshArgv(target.host, {
    script: nbdReceiver,
    args: [target.device, target.identity, target.readsZero ? '1' : '0', String(source.total), directory],
  });
  const limit = String(bandwidth(options.limitTransferBw) ?? 0);
  const { format, source: path, identity = notAVolume, part = '', total } = source;
  const args = [format, path, identity, part, target.readsZero ? '1' : '0', limit, directory, ...receiver];
  const command = { script: nbdSender, args };
  const argv = source.host === undefined ? localArgv(command) : hosts.sshArgv(source.host, command);
  const stage: Stage = { name: stages.write, argv };
  try {
    const { stdout } = await runPipeline([stage], {
      ...pipelineOptions(options, total),
      holdStdin: true,
      ...(descriptors ? { descriptors } : {}),
    });
    return writtenBytes(stdout, target);
  } catch (error) {
    if (!(error instanceof PipelineError) || error.exitCode !== wireCodes.noBridge) throw error;
    return undefined;
  }
}
