import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { DriverError } from '../errors.ts';
import { type Ip, parseIp, reachOf, unwrapped } from '../networks.ts';
import { allows, type Destination, isOneService, type SourceRule } from '../opennebula/source-rule.ts';
import { shownPath } from './address.ts';

/**
 * Which servers an image may be fetched from. A tenant chooses the address, and the front-end stands where tenants do not reach: beside oned,
 * LINSTOR's controller and whatever else trusts the site's own network.
 */
export interface DestinationPolicy {
  /** ALLOW_SOURCES. */
  readonly allow: readonly (SourceRule | 'private')[];
  /** Hosts of the cloud's own services: controllers, oned. */
  readonly guarded: readonly string[];
  /** Hosts of the marketplaces that OpenNebula knows: the administrator has named them already. */
  readonly marketplaces: () => Promise<readonly string[]>;
  /** Addresses of a host; for tests. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** oned, LINSTOR without and with TLS: only a rule with that very port opens them. */
const ownPorts: ReadonlySet<number> = new Set([2633, 3370, 3371]);

async function resolveHost(host: string): Promise<readonly string[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);
    } catch (error) {
      const passing = error instanceof Error && 'code' in error && error.code === 'EAI_AGAIN';
      if (!passing || attempt === 3) return [];
      await Bun.sleep(1000);
    }
  }
}

const same = (a: Ip, b: Ip): boolean => {
  const [x, y] = [unwrapped(a), unwrapped(b)];
  return x.bits === y.bits && x.value === y.value;
};

const addressesIn = (texts: readonly string[]): Ip[] =>
  texts.map(parseIp).filter((ip): ip is Ip => ip !== undefined);

const ownAddresses = (): Ip[] =>
  addressesIn(
    Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
  );

class Judge {
  readonly #policy: DestinationPolicy;
  readonly #resolve: (host: string) => Promise<readonly string[]>;
  #guarded: readonly Ip[] | undefined;
  #marketplaces: ReadonlySet<string> | undefined;

  constructor(policy: DestinationPolicy) {
    this.#policy = policy;
    this.#resolve = policy.resolve ?? resolveHost;
  }

  /** Why it is refused; undefined when it is not. */
  async objection(to: Destination): Promise<string | undefined> {
    const named = (rule: SourceRule | 'private'): rule is SourceRule =>
      rule !== 'private' && allows(rule, to);
    const rules = this.#policy.allow.filter(named);
    if (rules.some(isOneService)) return undefined;
    if (reachOf(to.ip) === 'nearby') return 'is this machine itself, its own link, or no address of a server';
    if (ownAddresses().some((own) => same(own, to.ip))) return 'is this front-end';
    if ((await this.#guardedAddresses()).some((guarded) => same(guarded, to.ip)))
      return 'is a host of OpenNebula’s or LINSTOR’s own services';
    if (reachOf(to.ip) === 'public') return undefined;
    if (ownPorts.has(to.port)) return 'is a private address with a port of OpenNebula’s or LINSTOR’s';
    if (rules.length > 0 || this.#policy.allow.includes('private')) return undefined;
    return (await this.#isMarketplace(to.host)) ? undefined : 'is a private address';
  }

  async #guardedAddresses(): Promise<readonly Ip[]> {
    this.#guarded ??= (await Promise.all(this.#policy.guarded.map((host) => this.addressesOf(host)))).flat();
    return this.#guarded;
  }

  async #isMarketplace(host: string): Promise<boolean> {
    this.#marketplaces ??= new Set(await this.#policy.marketplaces());
    return this.#marketplaces.has(host);
  }

  async addressesOf(host: string): Promise<Ip[]> {
    const literal = parseIp(host);
    return literal ? [literal] : addressesIn(await this.#resolve(host));
  }

  resolve(host: string): Promise<readonly string[]> {
    return this.#resolve(host);
  }
}

export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');

export const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'https:' ? 443 : 80);

/**
 * The addresses that the program which fetches has to use: those that were looked at, and no others, whatever the name resolves to a
 * moment later. Empty for a name that this machine does not know: only a proxy can.
 *
 * Throws IMAGE_SOURCE.
 */
export async function permittedAddresses(url: URL, policy: DestinationPolicy): Promise<readonly string[]> {
  const [host, port] = [hostOf(url), portOf(url)];
  const judge = new Judge(policy);
  const found = parseIp(host) ? [host] : await judge.resolve(host);
  const permitted: string[] = [];
  let objection: string | undefined;
  for (const address of found) {
    const ip = parseIp(address);
    if (!ip) continue;
    const why = await judge.objection({ host, port, ip });
    if (why === undefined) permitted.push(address);
    else objection ??= `${address} ${why}`;
  }
  if (permitted.length === 0 && objection !== undefined) {
    throw new DriverError('IMAGE_SOURCE', `${shownPath(url.href)} is not fetched: ${objection}`, {
      remedy: `if images may come from there, add ${host}:${port} to ALLOW_SOURCES of the datastore`,
    });
  }
  return permitted;
}
