import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { BackupImage } from '../opennebula/backup-image.ts';
import type { Datastore, Vm } from '../opennebula/one.ts';

/** What a backup holds, by the driver of its datastore: where the downloader finds each disk, and the TPM's state. */
export interface BackupContent {
  readonly disks: ReadonlyMap<number, string>;
  readonly tpm?: string;
}

const replySchema = z.record(z.string(), z.string());

/**
 * Asks the datastore's driver. It needs the number of the increment twice: without INCREMENT_ID in the document, rsync names the files of the
 * last increment, whichever is asked for (backup contract B14). The document goes over stdin, as it is: a name of a VM may hold quotes.
 * Throws HOST_COMMAND, BAD_MESSAGE.
 */
export async function listBackup(
  ctx: Context,
  image: BackupImage,
  increment: number,
  vm: Vm,
): Promise<BackupContent> {
  const [datastore, datastoreXml, imageXml] = await Promise.all([
    ctx.one.datastore(image.datastoreId),
    ctx.one.document('datastore', image.datastoreId),
    ctx.one.document('image', image.id),
  ]);
  const selected = increment >= 0 ? `<TEMPLATE><INCREMENT_ID>${increment}</INCREMENT_ID></TEMPLATE>` : '';
  const { stdout } = await ctx.hosts.local({
    verb: 'list-backup',
    script: 'exec "$@"',
    args: [listerOf(ctx, datastore), '-i', String(increment)],
    stdin: `<DS_DRIVER_ACTION_DATA>${datastoreXml}${vm.xml}${imageXml}${selected}</DS_DRIVER_ACTION_DATA>`,
    timeoutMs: 10 * 60_000,
  });
  return readContent(stdout, image);
}

function listerOf(ctx: Context, { id, dsMad }: Datastore): string {
  const name = dsMad.toLowerCase();
  const path = join(ctx.remotes ?? '', 'datastore', name, 'ls');
  if (ctx.remotes !== undefined && /^[a-z0-9][a-z0-9_-]*$/.test(name) && existsSync(path)) return path;
  throw new DriverError(
    'NOT_SUPPORTED',
    `the driver “${dsMad}” of backup datastore ${id} cannot list its backups (${path})`,
    { remedy: 'restore into new images with `oneimage restore`' },
  );
}

function readContent(stdout: string, image: BackupImage): BackupContent {
  let reply: Readonly<Record<string, string>>;
  try {
    reply = replySchema.parse(JSON.parse(stdout));
  } catch (cause) {
    throw new DriverError('BAD_MESSAGE', `what the driver says of backup ${image.id} is not understood`, {
      details: [stdout.trim().slice(0, 200)],
      cause,
    });
  }
  const { tpm, ...others } = reply;
  const disks = Object.entries(others).flatMap(([id, url]) =>
    /^\d+$/.test(id) ? [[Number(id), url] as const] : [],
  );
  return { disks: new Map(disks), ...(tpm === undefined ? {} : { tpm }) };
}
