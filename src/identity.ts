import { lstatSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Root among oneadmin's files. Whoever owns a directory can put a link there between any look and any deed of ours, so root does
 * nothing in it with rights that its owner does not have.
 */

export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

const stickyBit = 0o1000;

/** May others than root exchange what is in this directory? A directory that all may write, like /tmp, protects by its sticky bit. */
function isForeign(info: Stats): boolean {
  if (info.uid !== 0) return true;
  if ((info.mode & stickyBit) !== 0) return false;
  return (info.mode & 0o002) !== 0 || ((info.mode & 0o020) !== 0 && info.gid !== 0);
}

/** A link that never ends. */
const mostLinks = 40;

/**
 * Who has to do what is done at `path`: the owner of the first directory on the way that is not root's alone; undefined: root. Links on the
 * way are followed, as the kernel follows them. `among`: who is meant where a group or everybody may write.
 */
export function ownerOf(path: string, among?: Identity): Identity | undefined {
  let here = '/';
  let links = 0;
  const rest = path.split('/').filter(Boolean);
  while (rest.length > 0) {
    const name = rest.shift() ?? '';
    if (name === '.') continue;
    if (name === '..') {
      here = dirname(here);
      continue;
    }
    const next = join(here, name);
    const info = lstatSync(next, { throwIfNoEntry: false });
    if (!info) return undefined;
    if (info.isSymbolicLink()) {
      links += 1;
      if (links > mostLinks) return undefined;
      const target = readlinkSync(next);
      rest.unshift(...target.split('/').filter(Boolean));
      if (target.startsWith('/')) here = '/';
      continue;
    }
    if (!info.isDirectory()) return undefined;
    if (isForeign(info)) return info.uid === 0 ? (among ?? { uid: 65534, gid: info.gid }) : info;
    here = next;
  }
  return undefined;
}

const isRoot = (): boolean => process.geteuid?.() === 0;

function become({ uid, gid }: Identity): () => void {
  const { geteuid, getegid, getgroups, setgroups, setegid, seteuid } = process;
  if (!geteuid || !getegid || !getgroups || !setgroups || !setegid || !seteuid)
    throw new Error('this system has no users');
  const [before, groups] = [{ uid: geteuid(), gid: getegid() }, getgroups()];
  setgroups([gid]);
  setegid(gid);
  seteuid(uid);
  return () => {
    seteuid(before.uid);
    setegid(before.gid);
    setgroups(groups);
  };
}

/** Runs `work` with the rights of `identity`; as before when there is none, or when we are not root. */
export function as<T>(identity: Identity | undefined, work: () => T): T {
  if (identity === undefined || !isRoot()) return work();
  const back = become(identity);
  try {
    return work();
  } finally {
    back();
  }
}

/** The same for work that waits. Nothing else may run meanwhile: the rights are the process's. */
export async function asWhileWaiting<T>(identity: Identity | undefined, work: () => Promise<T>): Promise<T> {
  if (identity === undefined || !isRoot()) return work();
  const back = become(identity);
  try {
    return await work();
  } finally {
    back();
  }
}

/** OpenNebula's, whose owner is the user that it runs as. */
export function varDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const location = env['ONE_LOCATION']?.trim();
  return location ? `${location.replace(/\/+$/, '')}/var` : '/var/lib/one';
}

/** Name, primary group and home, by /etc/passwd. */
function account(uid: number): { name: string; gid: number; home: string } | undefined {
  const fields = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find((line) => line[2] === String(uid));
  if (!fields) return undefined;
  return { name: fields[0] ?? '', gid: Number(fields[3]), home: fields[5] ?? '/' };
}

/** By /etc/group: the group `disk` counts, say. */
function groupsOf(name: string, gid: number): number[] {
  const listed = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields[3]?.split(',').includes(name))
    .map((fields) => Number(fields[2]));
  return [...new Set([gid, ...listed])];
}

/** What a process of another user is given of root's environment. */
const passedOn =
  /^(?:PATH|LANG|LC_[A-Z]+|TERM|TZ|COLUMNS|LINES|NO_COLOR|ONE_[A-Z_]+|LINSTOR_UN_[A-Z_]+|LS_[A-Z_]+|(?:https?|no|all)_proxy)$/;

/**
 * Makes root, for good, the user that OpenNebula runs as: whoever owns `directory`. Its ssh, its sessions and its configuration are what
 * matters, and root must neither run nor read what that user chose. Others stay who they are.
 */
export function stepDown(directory: string, env: Record<string, string | undefined>): Identity | undefined {
  if (!isRoot()) return undefined;
  const owner = ownerOf(directory);
  if (!owner) return undefined;
  const { setgroups, setgid, setuid } = process;
  if (!setgroups || !setgid || !setuid) throw new Error('this system has no users');
  const known = account(owner.uid);
  const gid = known?.gid ?? owner.gid;
  setgroups(known ? groupsOf(known.name, gid) : [gid]);
  setgid(gid);
  setuid(owner.uid);
  for (const name of Object.keys(env)) if (!passedOn.test(name)) delete env[name];
  env['HOME'] = known?.home ?? directory;
  if (known) Object.assign(env, { USER: known.name, LOGNAME: known.name });
  return { uid: owner.uid, gid };
}
