import { readSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Settings } from '../opennebula/settings.ts';
import { probeFile } from '../transfer/probe.ts';
import { type FileSource, openRaw, type SourceRequest, staged } from '../transfer/source.ts';
import { ImageStream } from '../transfer/stream.ts';
import { type Bytes, bytes } from '../units.ts';

/** The largest file that a disk's backup may be: its data, tables, and some slack. More is not the backup of this disk. */
const limitOf = (disk: Bytes): Bytes => bytes(Math.ceil(disk * 1.125) + 64 * 1024 * 1024);

/** A backup comes from its own datastore: that address needs no permission of the image datastore's. */
function requestOf(ctx: Context, url: string, { limitTransferBw }: Settings): SourceRequest {
  const [scheme = ''] = url.split('://', 1);
  return {
    path: url,
    policy: { safeDirs: [], restrictedDirs: ['/'] },
    addresses: {
      schemes: [scheme.toLowerCase()],
      allow: [],
      guarded: [],
      marketplaces: () => Promise.resolve([]),
    },
    noDecompress: true,
    ...(limitTransferBw === undefined ? {} : { limitTransferBw }),
    ...(ctx.remotes === undefined ? {} : { downloader: join(ctx.remotes, 'datastore/downloader.sh') }),
  };
}

async function fetchFile(ctx: Context, url: string, settings: Settings, limit: Bytes): Promise<FileSource> {
  const request = requestOf(ctx, url, settings);
  const options = { stagingDir: settings.stagingDir, signal: ctx.signal };
  const source = await openRaw(request, options);
  return source instanceof ImageStream ? staged(source, limit, request, options) : source;
}

/**
 * A disk of a backup in a nameless file on this machine, whole and checked: nothing of the old disk has changed so far.
 * Throws IMAGE_FETCH, IMAGE_FORMAT, IMAGE_HOSTILE, IMAGE_SIZE.
 */
export async function fetchDisk(
  ctx: Context,
  url: string,
  settings: Settings,
  present: Bytes,
): Promise<FileSource> {
  const source = await fetchFile(ctx, url, settings, limitOf(bytes(present * 4)));
  try {
    if (source.info.format !== 'qcow2')
      throw new DriverError(
        'IMAGE_FORMAT',
        `${source.label} is ${source.info.format} and no backup of a disk`,
        {
          remedy: 'the backup was made by another driver; restore it into new images with `oneimage restore`',
        },
      );
    await probeFile(source.fd, source.fileBytes, { thorough: true });
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The TPM's state is some KiB. */
const tpmLimit = bytes(64 * 1024 * 1024);

/** `disk.tpm.0`: tar.gz. */
export async function fetchTpm(ctx: Context, url: string, settings: Settings): Promise<Uint8Array> {
  const source = await fetchFile(ctx, url, settings, tpmLimit);
  try {
    const content = Buffer.alloc(source.fileBytes);
    let filled = 0;
    while (filled < content.length) {
      const count = readSync(source.fd, content, filled, content.length - filled, filled);
      if (count === 0) break;
      filled += count;
    }
    if (filled < 2 || content[0] !== 0x1f || content[1] !== 0x8b)
      throw new DriverError('IMAGE_FORMAT', `${source.label} is not an archive of a TPM's state`);
    return content.subarray(0, filled);
  } finally {
    await source.close();
  }
}
