import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { BackupConfig } from '../opennebula/backup-config.ts';
import type { BackupMessage } from '../opennebula/backup-message.ts';
import { vmPlace } from '../opennebula/paths.ts';

/** Where the backup datastore's driver looks for the files (backup contract B4). */
export interface BackupPlace {
  readonly host: string;
  /** `…/<vm>/backup` */
  readonly directory: string;
  /** What goes with it: below BACKUP_BASE_PATH the VM's directory too. */
  readonly parent?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws BAD_ARGUMENT for a directory that is not the VM's: what is removed and made anew is never guessed. */
export function backupPlace(
  ctx: Pick<Context, 'remotes'>,
  message: Pick<BackupMessage, 'host' | 'directory' | 'vmId'>,
  config: Pick<BackupConfig, 'bridge'>,
  env: Environment = process.env,
): BackupPlace {
  const { directory, vmId } = vmPlace(message.directory);
  if (vmId !== message.vmId || directory !== message.directory)
    throw new DriverError('BAD_ARGUMENT', `${message.directory} is not the directory of VM ${message.vmId}`);
  const host = config.bridge ?? message.host;
  const base = basePath(ctx.remotes, env);
  if (base === undefined) return { host, directory: join(directory, 'backup') };
  const parent = join(base, String(vmId));
  return { host, directory: join(parent, 'backup'), parent };
}

/** BACKUP_BASE_PATH of `datastore.conf`, which oned puts into its drivers' environment. */
function basePath(remotes: string | undefined, env: Environment): string | undefined {
  const value = env['BACKUP_BASE_PATH']?.trim() || fromFile(remotes);
  if (!value) return undefined;
  if (value.startsWith('/') && value.length > 1 && !value.split('/').includes('..')) return value;
  throw new DriverError('BAD_CONFIG', `BACKUP_BASE_PATH “${value}” is not an absolute directory`, {
    remedy: 'correct it in remotes/etc/datastore/datastore.conf',
  });
}

function fromFile(remotes: string | undefined): string | undefined {
  const file = remotes === undefined ? '' : join(remotes, 'etc/datastore/datastore.conf');
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8').matchAll(
    /^\s*(?:export\s+)?BACKUP_BASE_PATH=(["']?)(.*?)\1\s*$/gm,
  );
  return [...lines].at(-1)?.[2]?.trim();
}
