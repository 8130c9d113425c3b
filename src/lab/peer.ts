import { readFileSync } from 'node:fs';

/**
 * Whose connection is it? The lab's servers listen on loopback, where every user of the machine can connect, and they act with their
 * owner's rights. Clients as they are – drivers, LINSTOR's own, a browser – bring no secret of ours along, but the kernel
 * knows the user of both ends (proc(5), /proc/net/tcp).
 */

/** Both ends of a connection, as the server sees them. */
export interface Ends {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
}

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

/** Words of four bytes, the last one first. */
const hexWords = (bytes: readonly number[]): string => {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4)
    text += bytes
      .slice(at, at + 4)
      .toReversed()
      .map((byte) => byte.toString(16).toUpperCase().padStart(2, '0'))
      .join('');
  return text;
};

/** As the kernel may list the address: of IPv4 also the form in which an IPv6 socket reaches it. */
function spellings(address: string): string[] {
  const v4 = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address)?.slice(1).map(Number);
  if (v4) return [hexWords(v4), hexWords([...new Array<number>(10).fill(0), 255, 255, ...v4])];
  return address === '::1' ? [hexWords([...new Array<number>(15).fill(0), 1])] : [];
}

const ESTABLISHED = '01';

/**
 * User of the other end; undefined when it cannot be told. A socket that its process has let go of is listed as root's, with inode
 * 0 or in another state: it counts as nobody's.
 */
export function userOfPeer(ends: Ends, table: string): number | undefined {
  const locals = spellings(ends.remoteAddress).map((address) => `${address}:${hexPort(ends.remotePort)}`);
  const remote = `:${hexPort(ends.localPort)}`;
  for (const line of table.split('\n')) {
    const [, local = '', other = '', state, , , , uid, , inode] = line.trim().split(/\s+/);
    if (!locals.includes(local) || !other.endsWith(remote) || state !== ESTABLISHED || inode === '0')
      continue;
    return Number(uid);
  }
  return undefined;
}

const connections = (): string =>
  ['/proc/net/tcp', '/proc/net/tcp6']
    .map((path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return '';
      }
    })
    .join('\n');

/** May it ask anything? The owner may, and root, who may anyway. */
export function isOwners(ends: Ends): boolean {
  const user = userOfPeer(ends, connections());
  return user !== undefined && (user === process.getuid?.() || user === 0);
}

export const NOT_OURS = 'this lab belongs to another user\n';
