import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import { bytesOfText } from '../hosts/raw-text.ts';
import { varDirectory } from '../identity.ts';
import { parseControllers } from '../linstor/rest/controllers.ts';
import type { DatastoreMessage } from '../opennebula/message.ts';
import { findEndpoint } from '../opennebula/session.ts';
import type { Settings } from '../opennebula/settings.ts';
import type { SourceRequest } from '../transfer/source.ts';
import { schemeOfRestore } from './restored-backup.ts';

/** Hosts of LINSTOR's controllers and of oned. */
function guardedHosts({ controllers }: Settings, hostOf: (url: URL) => string): string[] {
  const endpoint = findEndpoint(process.env, varDirectory(process.env));
  return [
    ...(controllers.length > 0 ? parseControllers(controllers).map(({ host }) => host) : []),
    ...(URL.canParse(endpoint) ? [hostOf(new URL(endpoint))] : []),
  ];
}

/** Where the image of a driver message comes from, with the datastore's policy. Throws BAD_MESSAGE when it has no PATH. */
export async function imageSource(
  ctx: Context,
  message: DatastoreMessage,
  settings: Settings,
): Promise<SourceRequest> {
  if (message.path === '')
    throw new DriverError('BAD_MESSAGE', 'the driver message names no PATH to import from');
  const [{ hostOf }, { policyOf }] = await Promise.all([
    import('../transfer/destination.ts'),
    import('../transfer/path-policy.ts'),
  ]);
  const scheme = await schemeOfRestore(ctx, message);
  const template = message.image?.template ?? {};
  const downloader = ctx.remotes === undefined ? undefined : join(ctx.remotes, 'datastore/downloader.sh');
  return {
    path: message.path,
    policy: policyOf(settings),
    addresses: {
      schemes: [...settings.allowSchemes, ...(scheme === undefined ? [] : [scheme])],
      allow: settings.allowSources,
      guarded: guardedHosts(settings, hostOf),
      // Not knowing them opens nothing.
      marketplaces: () => ctx.one.marketplaceHosts().catch(() => []),
    },
    checksums: {
      ...(template['MD5'] ? { md5: template['MD5'] } : {}),
      ...(template['SHA1'] ? { sha1: template['SHA1'] } : {}),
      ...(template['SHA256'] ? { sha256: template['SHA256'] } : {}),
    },
    noDecompress: settings.noDecompress,
    ...(settings.limitTransferBw === undefined ? {} : { limitTransferBw: settings.limitTransferBw }),
    ...(downloader && existsSync(downloader) ? { downloader } : {}),
    // s3, restic and others find their credentials in the driver message (contract §2.1).
    downloaderEnv: { DRV_ACTION: Buffer.from(bytesOfText(message.xml)).toString('base64') },
  };
}
