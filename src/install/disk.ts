import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DriverError } from '../errors.ts';
import { as, type Identity, ownerOf } from '../identity.ts';
import { type Layout, onDisk } from './layout.ts';

/**
 * Every look at and every change of an installation's files. It is done with the rights of whoever owns the directory: root would otherwise
 * follow a link that oneadmin puts there, also between two of our calls. What lies below `remotes/` belongs to oneadmin for the
 * same reason. Files are replaced by renaming: a reader sees the old one or the new one, and never a part.
 */
function at<T>(layout: Layout, path: string, work: (real: string) => T): T {
  const real = onDisk(layout, path);
  return as(identityFor(layout, real), () => work(real));
}

/** Where the record of the installation is somebody's, so is what it tells us to do. */
function identityFor(layout: Layout, real: string): Identity | undefined {
  const oneadmin = lstatSync(onDisk(layout, layout.varDir), { throwIfNoEntry: false });
  const among = oneadmin?.uid === 0 ? undefined : oneadmin;
  return ownerOf(real, among) ?? ownerOf(onDisk(layout, layout.home), among);
}

export function exists(layout: Layout, path: string): boolean {
  return at(layout, path, (real) => existsSync(real));
}

/** Of a link itself. */
export function infoOf(layout: Layout, path: string): Stats | undefined {
  return at(layout, path, (real) => lstatSync(real, { throwIfNoEntry: false }));
}

export function linkTarget(layout: Layout, path: string): string {
  return at(layout, path, (real) => readlinkSync(real));
}

export function namesIn(layout: Layout, path: string): string[] {
  return at(layout, path, (real) => readdirSync(real));
}

/** Larger than any text and program of ours. */
const mostBytes = 1024 * 1024 * 1024;

/** A FIFO would hold us for ever, and a device has no end. */
function contentOf(real: string): Uint8Array {
  const fd = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const info = fstatSync(fd);
    if (!info.isFile() || info.size > mostBytes) throw new Error(`${real} is not a regular file`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Throws BAD_CONFIG, also for what the directory's owner may not read. */
export function readBytes(layout: Layout, path: string): Uint8Array {
  try {
    return at(layout, path, contentOf);
  } catch (cause) {
    throw new DriverError(
      'BAD_CONFIG',
      `${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      {
        remedy: `look at what ${path} is; the user that its directory belongs to must be able to read it`,
        cause,
      },
    );
  }
}

export function readText(layout: Layout, path: string): string {
  return Buffer.from(readBytes(layout, path)).toString('utf8');
}

export function makeDirectory(layout: Layout, path: string, mode = 0o755): void {
  at(layout, path, (real) => mkdirSync(real, { recursive: true, mode }));
}

function temporary(real: string): string {
  return join(dirname(real), `.${basename(real)}.linstor_un.${process.pid}`);
}

function writeTo(real: string, content: string | Uint8Array, mode: number): void {
  const partial = temporary(real);
  writeFileSync(partial, content, { mode, flag: 'wx' });
  chmodSync(partial, mode);
  renameSync(partial, real);
}

export function writeFile(layout: Layout, path: string, content: string | Uint8Array, mode: number): void {
  at(layout, path, (real) => writeTo(real, content, mode));
}

/** `source` is a path of this machine, named by whoever installs. */
export function installProgram(layout: Layout, path: string, source: string): void {
  at(layout, path, (real) => {
    const partial = temporary(real);
    copyFileSync(source, partial);
    chmodSync(partial, 0o755);
    renameSync(partial, real);
  });
}

export function layLink(layout: Layout, path: string, target: string): void {
  at(layout, path, (real) => {
    rmSync(real, { force: true });
    symlinkSync(target, real);
  });
}

export function unlink(layout: Layout, path: string): void {
  at(layout, path, (real) => rmSync(real, { force: true }));
}

export function removeTree(layout: Layout, path: string): void {
  at(layout, path, (real) => rmSync(real, { recursive: true, force: true }));
}

export function removeEmpty(layout: Layout, path: string): void {
  at(layout, path, (real) => {
    const info = lstatSync(real, { throwIfNoEntry: false });
    if (info?.isDirectory() && readdirSync(real).length === 0) rmdirSync(real);
  });
}

/** Keeps owner, group and mode; follows a link to the file that is meant. */
export function replaceContent(layout: Layout, path: string, content: string): void {
  const meant = at(layout, path, (real) => realpathSync(real));
  as(identityFor(layout, meant), () => {
    const { uid, gid, mode } = statSync(meant);
    const partial = temporary(meant);
    writeFileSync(partial, content, { mode: 0o600, flag: 'wx' });
    try {
      chownSync(partial, uid, gid);
    } catch (error) {
      if (process.geteuid?.() === 0) throw error;
    }
    chmodSync(partial, mode & 0o7777);
    renameSync(partial, meant);
  });
}

/** A file, a link or a tree of them, to be put somewhere else. */
type Saved =
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file'; readonly content: Uint8Array; readonly mode: number; readonly mtime: Date }
  | { readonly kind: 'directory'; readonly mode: number; readonly entries: readonly [string, Saved][] };

function save(real: string): Saved {
  const info = lstatSync(real);
  if (info.isSymbolicLink()) return { kind: 'link', target: readlinkSync(real) };
  const mode = info.mode & 0o777;
  if (info.isDirectory()) {
    const entries = readdirSync(real).map((name): [string, Saved] => [name, save(join(real, name))]);
    return { kind: 'directory', mode, entries };
  }
  return { kind: 'file', content: contentOf(real), mode, mtime: info.mtime };
}

function bring(real: string, saved: Saved): void {
  if (saved.kind === 'link') {
    symlinkSync(saved.target, real);
  } else if (saved.kind === 'file') {
    writeTo(real, saved.content, saved.mode);
    utimesSync(real, saved.mtime, saved.mtime);
  } else {
    mkdirSync(real, { mode: 0o700 });
    for (const [name, entry] of saved.entries) bring(join(real, name), entry);
    chmodSync(real, saved.mode);
  }
}

/** Between two owners' directories too, and over file systems. What comes to oneadmin's directory is oneadmin's then. */
export function move(layout: Layout, from: string, to: string): void {
  const saved = at(layout, from, save);
  at(layout, to, (real) => bring(real, saved));
  removeTree(layout, from);
}
