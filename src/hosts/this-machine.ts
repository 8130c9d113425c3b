import { readFileSync } from 'node:fs';

/** Which names mean the machine that we run on. */

/** gethostname(2), from the kernel: for that alone `node:os` need not be loaded by every action. */
export function ownName(): string {
  return readFileSync('/proc/sys/kernel/hostname', 'utf8').trim();
}

const shortName = (name: string): string => name.split('.', 1)[0] ?? name;
const isAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');
const loopback = new Set(['localhost', 'localhost.localdomain', '127.0.0.1', '::1']);

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
