import { dlopen, FFIType } from 'bun:ffi';
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../effects.ts';
import { DriverError } from '../errors.ts';
import { nextPause, spread } from '../pause.ts';

/** OpenNebula's lock directory; exists and is oneadmin's in every installation (contract §1.4). */
const oneLockDir = '/var/lock/one';

/** flock(2): LOCK_EX | LOCK_NB. */
const exclusiveNow = 2 | 4;

type Flock = (fd: number, operation: number) => number;
let cachedFlock: Flock | undefined;

/** flock(2) of the C library; glibc and musl name their file differently. */
function flock(): Flock {
  if (cachedFlock) return cachedFlock;
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  for (const library of ['libc.so.6', `libc.musl-${arch}.so.1`, 'libc.so']) {
    try {
      const { symbols } = dlopen(library, {
        flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
      });
      cachedFlock = symbols.flock;
      return cachedFlock;
    } catch {
      // Not this one.
    }
  }
  throw new DriverError('INTERNAL', 'the C library with flock(2) was not found');
}

/**
 * Where lock files are. The fall-back does not depend on the environment ($XDG_RUNTIME_DIR is set for a person and unset
 * for oned's drivers): two processes of one user must always meet at the same file.
 */
export function lockDirectory(): string {
  try {
    accessSync(oneLockDir, constants.W_OK | constants.X_OK);
    return oneLockDir;
  } catch {
    return privateDirectory(`/tmp/linstor_un-${process.getuid?.() ?? 0}`);
  }
}

/** Made 0700; refused when somebody else made it before us (/tmp is everybody's). */
function privateDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const info = lstatSync(path);
  if (!info.isDirectory() || info.uid !== process.getuid?.() || (info.mode & 0o077) !== 0) {
    throw new DriverError(
      'LOCK_TIMEOUT',
      `${path} is not a private directory of ours; no locks can be kept there`,
      {
        remedy: `remove ${path}, or create ${oneLockDir} for oneadmin`,
      },
    );
  }
  return path;
}

/** A file name for any lock name; long and strange ones keep a readable head and get a digest. */
export function lockFileName(name: string): string {
  const safe = name.replaceAll(/[^A-Za-z0-9._-]/g, '_');
  if (safe === name && safe.length <= 120) return `linstor_un-${safe}.lock`;
  const digest = new Bun.CryptoHasher('sha256').update(name).digest('hex').slice(0, 16);
  return `linstor_un-${safe.slice(0, 100)}~${digest}.lock`;
}

export interface LocksOptions {
  readonly clock: Clock;
  readonly directory?: string;
  /** Shown to whoever waits: `tm/clone 12`. */
  readonly action?: string;
  /** Milliseconds. */
  readonly defaultTimeoutMs?: number;
}

/**
 * Locks of the front-end, one file a name, held with flock(2): the kernel releases them when the process ends in
 * whatever way. oned runs actions of one image at the same time and its cancel does not kill (contract §1.4).
 *
 * Taking a lock again inside the work that holds it enters at once; two independent tasks of one process
 * exclude each other like two processes.
 */
export class Locks {
  readonly #options: LocksOptions;
  readonly #held = new AsyncLocalStorage<ReadonlySet<string>>();
  #directory: string | undefined;

  constructor(options: LocksOptions) {
    this.#options = options;
  }

  /** Throws LOCK_TIMEOUT, naming the holder. */
  async run<T>(name: string, work: () => Promise<T>, timeoutMs?: number): Promise<T> {
    const held = this.#held.getStore() ?? new Set<string>();
    if (held.has(name)) return work();
    const deadline = timeoutMs ?? this.#options.defaultTimeoutMs ?? 60_000;
    const { fd, path } = await this.#acquire(name, deadline);
    try {
      return await this.#held.run(new Set([...held, name]), work);
    } finally {
      // Removed while it is still ours: whoever opened it meanwhile sees that it is another file and opens again.
      // When somebody has cleaned the directory, a file of that name is another's.
      if (isStill(path, fd)) unlinkSync(path);
      closeSync(fd);
    }
  }

  async #acquire(name: string, timeoutMs: number): Promise<{ fd: number; path: string }> {
    const { clock, action = 'linstor_un' } = this.#options;
    this.#directory ??= this.#options.directory ?? lockDirectory();
    const path = join(this.#directory, lockFileName(name));
    const until = clock.now() + timeoutMs;
    for (let pause = 20; ; pause = nextPause(pause, 500)) {
      const fd = tryLock(path);
      if (fd !== undefined) {
        ftruncateSync(fd);
        writeSync(fd, `${process.pid} ${action.replaceAll(/\s+/g, ' ')}\n`, 0);
        return { fd, path };
      }
      const rest = until - clock.now();
      if (rest <= 0) throw timedOut(name, path, timeoutMs);
      // Not all waiters at the same moment.
      await clock.sleep(Math.min(rest, spread(pause)));
    }
  }
}

function tryLock(path: string): number | undefined {
  const fd = openLock(path);
  if (fd === undefined) return undefined;
  if (flock()(fd, exclusiveNow) === 0 && isStill(path, fd)) return fd;
  closeSync(fd);
  return undefined;
}

function openLock(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    const denied = error instanceof Error && 'code' in error && error.code === 'EACCES';
    if (!denied || !lstatSync(path, { throwIfNoEntry: false })) throw error;
    // Another user's, root's after a call by hand: it counts while somebody holds it, and goes when nobody does.
    if (!isHeld(path)) unlinkSync(path);
    return undefined;
  }
}

/** By the kernel's list of locks: the file itself cannot be opened. */
function isHeld(path: string): boolean {
  const { dev, ino } = statSync(path, { bigint: true });
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  const hex = (part: bigint): string => part.toString(16).padStart(2, '0');
  return readFileSync('/proc/locks', 'latin1').includes(` ${hex(major)}:${hex(minor)}:${ino} `);
}

/** False when the file was removed by its last holder between our open and our lock. */
function isStill(path: string, fd: number): boolean {
  try {
    const [there, ours] = [statSync(path), fstatSync(fd)];
    return there.ino === ours.ino && there.dev === ours.dev;
  } catch {
    return false;
  }
}

function timedOut(name: string, path: string, timeoutMs: number): DriverError {
  let holder = '';
  try {
    const [pid = '', ...action] = readFileSync(path, 'utf8').trim().split(' ');
    if (pid) holder = `; held by process ${pid} (${action.join(' ')})`;
  } catch {
    // Released this moment.
  }
  return new DriverError('LOCK_TIMEOUT', `no lock on ${name} after ${timeoutMs / 1000} s${holder}`);
}
