import { DriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { runPipeline, type Stage } from '../hosts/pipeline.ts';
import type { HostDevice } from '../hosts/scripts/identity.ts';
import { type Bytes, humanSize } from '../units.ts';
import type { ImageFormat } from './formats.ts';
import { sendByNbd } from './nbd.ts';
import { stages, type TransferOptions, type TransferTarget, told, transferError } from './target.ts';
import { copyOnHost, pipelineOptions, senderCommand, wireEnd, writtenBytes } from './write.ts';

/** A device that holds an image file instead of a disk's content: LINBIT's driver writes them so (contract §9.2). */
export interface PackedDevice extends HostDevice {
  readonly host: string;
  readonly format: ImageFormat;
  /** Of the image in it, whose header has been judged. */
  readonly virtualBytes: Bytes;
}

/**
 * Writes what the image in the one device holds onto the other, raw. Nobody writes to the source meanwhile: its header was judged before.
 * Throws IMAGE_SIZE, IMAGE_VERIFY, DEVICE_MISSING, DEVICE_IDENTITY, HOST_*, INTERRUPTED.
 */
export async function unpackDevice(
  hosts: Hosts,
  source: PackedDevice,
  target: TransferTarget,
  options: TransferOptions = {},
): Promise<void> {
  const { format, device, identity, virtualBytes: total } = source;
  const label = `the ${format} image in ${device} on ${source.host}`;
  if (total > target.bytes)
    throw new DriverError(
      'IMAGE_SIZE',
      `${label} is ${humanSize(total)} (${total} bytes), the volume ${humanSize(target.bytes)}`,
    );
  await told(hosts, target.host, 'unpack', async () => {
    const started = performance.now();
    try {
      const onFrontend = hosts.isFrontend(source.host);
      const same = source.host.toLowerCase() === target.host.toLowerCase();
      if (same || (onFrontend && hosts.isFrontend(target.host)))
        await copyOnHost(hosts, { format, source: device, identity, total }, target, options);
      else await send();
    } catch (error) {
      throw transferError(error, label, target);
    }
    return {
      bytes: total,
      ms: Math.round(performance.now() - started),
      verified: options.verify === true,
    };
  });

  async function send(): Promise<void> {
    const away = hosts.isFrontend(source.host) ? {} : { host: source.host };
    const onNbd = { ...away, format, source: device, identity, total, dataBytes: total };
    let written = await sendByNbd(hosts, onNbd, target, options);
    if (written === undefined) {
      const end = await wireEnd(hosts, target, options);
      const spec = {
        mode: 'image' as const,
        source: device,
        identity,
        format,
        total,
        chunks: '/var/tmp/.linstor_un-',
      };
      const argv = hosts.sshArgv(source.host, senderCommand(spec, options));
      const read: Stage = { name: stages.read, argv, secondaryCodes: [255] };
      const { stdout } = await runPipeline([read, ...end], pipelineOptions(options, total));
      written = writtenBytes(stdout, target);
    }
    if (written !== total)
      throw new DriverError('IMAGE_SIZE', `${written} of ${total} bytes were written to ${target.device}`);
  }
}
