/** IP addresses as numbers, and which of them lie inside a site. */

export interface Ip {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((value, part) => value * 256n + BigInt(part), 0n);
}

function groupsOf(text: string): bigint[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const last = parts.at(-1) ?? '';
  const v4 = last.includes('.') ? parseV4(last) : undefined;
  if (last.includes('.') && v4 === undefined) return undefined;
  const words = v4 === undefined ? parts : parts.slice(0, -1);
  if (!words.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return undefined;
  const groups = words.map((word) => BigInt(`0x${word}`));
  return v4 === undefined ? groups : [...groups, v4 >> 16n, v4 & 0xffffn];
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [left, right] = [groupsOf(halves[0] ?? ''), groupsOf(halves[1] ?? '')];
  if (!left || !right) return undefined;
  const missing = 8 - left.length - right.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...left, ...new Array<bigint>(halves.length === 2 ? missing : 0).fill(0n), ...right];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

/** Undefined for everything that is no address. A zone (`%eth0`) is none of the address. */
export function parseIp(text: string): Ip | undefined {
  if (!text.includes(':')) {
    const value = parseV4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = parseV6(text.split('%', 1)[0] ?? '');
  return value === undefined ? undefined : { bits: 128, value };
}

export interface Network {
  readonly ip: Ip;
  readonly prefix: number;
}

/** `10.0.0.0/8`, `fd00::/8`, or one address. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', length, ...more] = text.split('/');
  const ip = parseIp(address);
  if (!ip || more.length > 0) return undefined;
  if (length === undefined) return { ip, prefix: ip.bits };
  return /^\d{1,3}$/.test(length) && Number(length) <= ip.bits ? { ip, prefix: Number(length) } : undefined;
}

export function isIn({ bits, value }: Ip, { ip, prefix }: Network): boolean {
  if (bits !== ip.bits) return false;
  const shift = BigInt(bits - prefix);
  return value >> shift === ip.value >> shift;
}

const known = (...texts: readonly string[]): Network[] =>
  texts.map((text) => parseNetwork(text)).filter((each) => each !== undefined);

/** This machine, this wire, and what is nobody's: nothing on the way decides who answers there. */
const nearby = known(
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/127',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
);

const inside = known(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
  'fc00::/7',
);

/** IPv4 inside IPv6: network, and how far from the right the address begins. */
const wrapping: readonly [Network, bigint][] = known(
  '::/96',
  '::ffff:0:0/96',
  '64:ff9b::/96',
  '2002::/16',
).map((network) => [network, network.prefix === 16 ? 80n : 0n]);

/** The IPv4 address that an IPv6 one leads to; itself otherwise. */
export function unwrapped(ip: Ip): Ip {
  if (ip.bits === 32 || ip.value < 2n) return ip;
  const found = wrapping.find(([network]) => isIn(ip, network));
  return found ? { bits: 32, value: (ip.value >> found[1]) & 0xffffffffn } : ip;
}

export function reachOf(ip: Ip): 'nearby' | 'inside' | 'public' {
  const meant = unwrapped(ip);
  if (nearby.some((network) => isIn(meant, network))) return 'nearby';
  // 64:ff9b:1::/48 is for a site's own translation.
  const local = isIn(meant, { ip: { bits: 128, value: 0x64ff9b0001n << 80n }, prefix: 48 });
  return local || inside.some((network) => isIn(meant, network)) ? 'inside' : 'public';
}
