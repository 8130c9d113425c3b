import { closeSync, constants, fstatSync, openSync, readlinkSync, realpathSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { bytesOfText, textOfBytes } from '../hosts/raw-text.ts';
import { varDirectory } from '../identity.ts';
import { logPath } from '../log/json-log.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type Bytes, bytes } from '../units.ts';
import { isScratch } from './staging.ts';

/**
 * Which local files may become images (contract §2.1): what never may, then SAFE_DIRS, then RESTRICTED_DIRS, else allowed.
 */
export interface PathPolicy {
  readonly safeDirs: readonly string[];
  readonly restrictedDirs: readonly string[];
  /** Restricted in every case; default: what OpenNebula's own drivers protect. */
  readonly alwaysRestricted?: readonly string[];
  /** Files, and directories with all below them, that SAFE_DIRS opens no more than anything else does. */
  readonly never?: readonly string[];
}

/** OpenNebula gives new image datastores these, and old ones none: then they hold all the same. */
const usual = { restricted: ['/'], safe: ['/var/tmp'] } as const;

type PolicySettings = Partial<
  Pick<Settings, 'restrictedDirs' | 'safeDirs' | 'keyFile' | 'certFile' | 'tokenFile'>
>;

export function policyOf(settings: PolicySettings, env = process.env): PathPolicy {
  return {
    never: ownFiles(settings, env),
    restrictedDirs: settings.restrictedDirs ?? usual.restricted,
    // Where somebody has said what is restricted, nothing of it is opened that was not asked for.
    safeDirs: settings.safeDirs ?? (settings.restrictedDirs === undefined ? usual.safe : []),
  };
}

/** Keys of ours and of OpenNebula, what was written about images, and what is no file on a disk. */
function ownFiles({ keyFile, certFile, tokenFile }: PolicySettings, env: Env): string[] {
  const location = varDirectory(env);
  const homes = [env['HOME'], location].filter((home): home is string => Boolean(home) && home !== '/');
  const log = logPath(env);
  const secret = [keyFile, certFile, tokenFile, env['ONE_AUTH'], env['LINSTOR_UN_CONF'], log];
  return [
    ...[
      '/proc',
      '/sys',
      '/dev',
      '/etc/linstor',
      '/var/lib/linstor',
      '/var/log/one',
      '/var/log/linstor-controller',
    ],
    ...homes.flatMap((home) => [`${home}/.one`, `${home}/.ssh`, `${home}/.config/linstor`]),
    ...[`${location}/remotes/etc`, ...secret.filter((path) => path !== undefined && path.startsWith('/'))],
    // Renamed ones.
    ...(log ? ['.1', '.2', '.3', '.4'].map((ending) => log + ending) : []),
  ].filter((path) => path !== undefined);
}

/** OpenNebula's state, its configuration (both hold credentials), and the home of the user we run as. */
export function protectedDirs(env: Env = process.env): string[] {
  const self = env['ONE_LOCATION'];
  const own = self ? [`${self}/var`, `${self}/etc`] : ['/var/lib/one', '/etc/one'];
  const home = env['HOME'];
  // HOME=/ (a service without a home) would forbid everything.
  return home && home !== '/' ? [...own, home] : own;
}

type Env = Readonly<Record<string, string | undefined>>;

const segments = (path: string): string[] => path.split('/').filter((part) => part !== '');

/** On segment borders: `/var/tmp` holds `/var/tmp/x`, not `/var/tmpx`. */
export function isBelow(path: string, directory: string): boolean {
  const [inner, outer] = [segments(path), segments(directory)];
  return inner.length >= outer.length && outer.every((part, index) => part === inner[index]);
}

/** Without dots and double slashes. Not node:path's: Bun's loses bytes that are not UTF-8. */
function tidy(path: string): string {
  const kept: string[] = [];
  for (const part of segments(path)) {
    if (part === '..') kept.pop();
    else if (part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}`;
}

/** The directory as named and as what its links lead to: /var/tmp may itself be a link. */
function spellings(directory: string): string[] {
  const named = tidy(directory);
  try {
    return [named, realpathSync(named)];
  } catch {
    return [named];
  }
}

const isBelowAny = (path: string, directories: readonly string[]): boolean =>
  directories
    .filter((directory) => directory.startsWith('/'))
    .some((directory) => spellings(directory).some((spelling) => isBelow(path, spelling)));

/** `path` must be absolute and free of links and dots. */
export function isAllowed(path: string, policy: PathPolicy): boolean {
  if (isBelowAny(path, policy.never ?? []) || segments(path).some(isScratch)) return false;
  if (isBelowAny(path, policy.safeDirs)) return true;
  const always = policy.alwaysRestricted ?? protectedDirs();
  return !isBelowAny(path, [...always, ...policy.restrictedDirs]);
}

/** Length and time of the last change of content, as `stat -Lc '%s %.9Y'` prints them. */
export function stampOf(fd: number): string {
  const { size, mtimeNs } = fstatSync(fd, { bigint: true });
  const second = 1_000_000_000n;
  return `${size} ${mtimeNs / second}.${String(mtimeNs % second).padStart(9, '0')}`;
}

/** A file that was checked and is held open: what was checked is what is read. */
export interface HeldFile {
  readonly fd: number;
  /** After all links. */
  readonly realPath: string;
  readonly bytes: Bytes;
  /** `stampOf` it when it was opened: another one later means that what was read is no one image. */
  readonly stamp: string;
  /** Owner and mode say who may change it while we read. */
  readonly uid: number;
  readonly mode: number;
  close(): void;
}

const shown = (path: string): string => JSON.stringify(path);

function refuse(path: string): DriverError {
  return new DriverError('IMAGE_PATH', `${shown(path)} is not in a directory that images may come from`);
}

/**
 * Opens the file once and judges what was really opened (`/proc/self/fd/N`), so that no link can be exchanged between
 * the check and the use. Hand the descriptor on, never the name.
 *
 * Throws IMAGE_PATH (forbidden place, no such file, no regular file). A forbidden name is refused before it is
 * opened, with the same words whether it exists or not: `stat` must tell nobody what there is.
 */
export function openImageFile(path: string, policy: PathPolicy): HeldFile {
  if (!path.startsWith('/')) throw new DriverError('IMAGE_PATH', `${shown(path)} is not an absolute path`);
  if (!isAllowed(tidy(path), policy)) throw refuse(path);
  let fd: number;
  try {
    // NONBLOCK: opening a FIFO would otherwise wait for ever.
    fd = openSync(
      Buffer.from(bytesOfText(path)),
      constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    throw new DriverError('IMAGE_PATH', `${shown(path)} does not exist or cannot be read by this user`, {
      remedy: 'check the path, and that oneadmin may read the file and enter its directories',
    });
  }
  try {
    const realPath = textOfBytes(readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }));
    const info = fstatSync(fd);
    if (!realPath.startsWith('/') || !isAllowed(realPath, policy)) throw refuse(path);
    if (!info.isFile()) {
      throw new DriverError('IMAGE_PATH', `${shown(path)} is not a regular file`);
    }
    const { size, uid, mode } = info;
    return { fd, realPath, bytes: bytes(size), stamp: stampOf(fd), uid, mode, close: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
