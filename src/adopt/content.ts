import type { Context } from '../context.ts';
import type { BridgeDevice } from '../disks/bridge.ts';
import { DriverError } from '../errors.ts';
import { readDeviceHead } from '../hosts/scripts/device-head.ts';
import type { Linstor, ResourceDefinition } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type ImageFormat, readHead } from '../transfer/formats.ts';
import { type Bytes, bytes, type KiB } from '../units.ts';

export interface Where {
  readonly linstor: Linstor;
  readonly settings: Settings;
}

/** What a volume holds: a disk's content, or an image in the device that has to be unpacked. */
export interface Content {
  readonly format: ImageFormat;
  readonly virtualBytes: Bytes;
}

/** Enough for a qcow2 header with all its extensions. */
const headKib = 1024;

/**
 * What this driver has made is raw, whatever its first bytes look like: its user may write there what he likes. Of anything else the header
 * decides, which is read on a host that has the data.
 */
export const isOwnVolume = ({ props }: Pick<ResourceDefinition, 'props'>): boolean =>
  Object.keys(props).some((key) => key.startsWith('Aux/one/'));

/** Throws IMAGE_HOSTILE, IMAGE_FORMAT for an image in the device that is not to be trusted. */
export async function contentOf(ctx: Context, device: BridgeDevice, sizeKib: KiB): Promise<Content> {
  const head = await readDeviceHead(ctx.hosts, device.host, device, headKib);
  const raw = { format: 'raw', virtualBytes: bytes(sizeKib * 1024) } as const;
  if (Buffer.from(head.subarray(0, 4)).toString('latin1') !== 'QFI\xfb') return raw;
  const { format, virtualBytes } = readHead(head);
  if (virtualBytes === undefined)
    throw new DriverError(
      'IMAGE_FORMAT',
      `the ${format} image in ${device.resource} does not say how large it is`,
    );
  return { format, virtualBytes };
}
