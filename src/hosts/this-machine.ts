import { readFileSync } from 'node:fs';

/** Which names mean the machine that we run on. */

/** gethostname(2), from the kernel: for that alone `node:os` need not be loaded by every action. */
export function ownName(): string {
  return readFileSync('/proc/sys/kernel/hostname', 'utf8').trim();
}

const shortName = (name: string): string => name.split('.', 1)[0] ?? name;
const isAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');
const loopback = new Set(['localhost', 'localhost.localdomain', '127.0.0.1', '::1']);

/** HOSTNAME of oned.conf, by which oned calls this front-end then in the arguments of actions; undefined: gethostname(2) counts. */
export function nameByOned(onedConf: string): string | undefined {
  return /^[ \t]*HOSTNAME[ \t]*=[ \t]*"?([^"#\s]+)/m.exec(onedConf)?.[1];
}

/** The same of the file of this installation; nothing where there is none, or where it cannot be read. */
export function configuredName(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const location = env['ONE_LOCATION']?.trim();
  try {
    return nameByOned(readFileSync(location ? `${location}/etc/oned.conf` : '/etc/one/oned.conf', 'utf8'));
  } catch {
    return undefined;
  }
}

/** `hostname -f`; the plain host name when the resolver does not know a longer one in time. */
export function resolvedName(): string {
  const result = Bun.spawnSync(['hostname', '-f'], { stdin: 'ignore', stderr: 'ignore', timeout: 2000 });
  return result.success ? result.stdout.toString().trim() : ownName();
}

/**
 * Is `host` a name of this machine? OpenNebula calls the front-end what gethostname(2) says; sites also register
 * it under its short or full name. The full name is looked up only when it would decide: `one.a` is not
 * `one.b`.
 */
export function isThisMachine(host: string, own: string, fullName: () => string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const ours = own.toLowerCase();
  if (loopback.has(name) || name === ours) return true;
  if (isAddress(name) || shortName(name) !== shortName(ours)) return false;
  if (!name.includes('.')) return true;
  return !ours.includes('.') && name === fullName().toLowerCase();
}
