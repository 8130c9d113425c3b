import { attachForCopy } from '../../disks/bridge.ts';
import { DriverError } from '../../errors.ts';
import { mibToBytes, mibToKib } from '../../units.ts';
import { knownReplicas } from '../../volumes/known-view.ts';
import { isReadable } from '../../volumes/replicas.ts';
import type { ActionHandler } from '../action.ts';
import { existingImageResource, openImageCall } from '../image-call.ts';

/**
 * Tells the marketplace where to read the image, with the checksum of exactly the bytes that it will get there (contract
 * §2.7): the whole device, because OpenNebula's downloader reads `ssh://host:path` to its end. Read where a replica has its
 * disk, so that nothing has to be attached for it and nothing to be disposed of.
 */
export const exportImage: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const { linstor } = image;
  const resource = existingImageResource(image);
  const view = await knownReplicas(linstor, resource);
  const [diskful] = view.filter(isReadable);
  if (!diskful)
    throw new DriverError(
      'NO_REPLICA',
      `image ${image.image.id} (${resource}) has no replica that can be read now`,
    );
  const bridge = await attachForCopy(ctx, image, {
    resource,
    view,
    minKib: mibToKib(image.image.sizeMib),
    prefer: diskful.node,
  });
  if (bridge.made) {
    throw new DriverError(
      'NO_BRIDGE',
      `no host of BRIDGE_LIST holds a replica of image ${image.image.id} with a disk`,
      {
        remedy: `add the host of node ${diskful.node} to BRIDGE_LIST`,
      },
    );
  }
  const { deviceChecksum } = await import('../../transfer/checksum.ts');
  const md5 = await deviceChecksum(ctx.hosts, bridge.host, bridge, 'md5');
  const size = Math.max(
    image.image.sizeMib,
    Math.ceil(bridge.bytes / mibToBytes(1 as typeof image.image.sizeMib)),
  );
  const element = (name: string, text: string): string => `<${name}><![CDATA[${text}]]></${name}>`;
  return [
    '<IMPORT_INFO>',
    element('IMPORT_SOURCE', `ssh://${bridge.host}:${bridge.device}`),
    element('MD5', md5),
    element('SIZE', String(size)),
    element('FORMAT', 'raw'),
    element('DISPOSE', 'NO'),
    '<DISPOSE_CMD></DISPOSE_CMD>',
    '</IMPORT_INFO>',
  ].join('');
};
