import { type Ip, isIn, type Network, parseNetwork, unwrapped } from '../networks.ts';

/** One item of ALLOW_SOURCES: `private`, a network, an address or a host, the last two also with a port. */
export interface SourceRule {
  readonly network?: Network;
  readonly host?: string;
  readonly port?: number;
}

const hostName = /^[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?$/;

/** Undefined for what is none. */
export function parseSourceRule(text: string): SourceRule | 'private' | undefined {
  const word = text.toLowerCase();
  if (word === 'private') return 'private';
  const network = parseNetwork(word);
  if (network) return { network };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(word) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65535)) return undefined;
  const withPort = port === undefined ? {} : { port };
  const host = bracketed ?? plain ?? '';
  const address = host.includes('/') ? undefined : parseNetwork(host);
  if (address) return { network: address, ...withPort };
  return bracketed === undefined && hostName.test(host) && /[a-z]/.test(host)
    ? { host, ...withPort }
    : undefined;
}

export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly ip: Ip;
}

export function allows(rule: SourceRule, { host, port, ip }: Destination): boolean {
  if (rule.port !== undefined && rule.port !== port) return false;
  if (rule.host !== undefined) return rule.host === host;
  return rule.network !== undefined && (isIn(ip, rule.network) || isIn(unwrapped(ip), rule.network));
}

/** Names one service: what only such a rule may open. */
export function isOneService({ network, host, port }: SourceRule): boolean {
  return port !== undefined && (host !== undefined || network?.prefix === network?.ip.bits);
}
