import { isDriverError } from '../errors.ts';
import type { LayerKind } from '../linstor/linstor.ts';
import { providerNames } from '../linstor/providers.ts';
import { parseController } from '../linstor/rest/controllers.ts';
import { parseSourceRule, type SourceRule } from './source-rule.ts';

/** What an attribute's value may be: how it is read, and how that is told to a person. */
export interface Kind<T> {
  /** Completes the sentence “allowed: …”. */
  readonly allowed: string;
  /** Undefined: the value is wrong. Never called with a blank value. */
  readonly parse: (value: string) => T | undefined;
}

export const yesNo: Kind<boolean> = {
  allowed: 'yes or no',
  parse: (value) => {
    if (/^(yes|true|on|1)$/i.test(value)) return true;
    return /^(no|false|off|0)$/i.test(value) ? false : undefined;
  },
};

export function choice<T extends string>(...words: readonly T[]): Kind<T> {
  return { allowed: words.join(', '), parse: (value) => words.find((word) => word === value.toLowerCase()) };
}

export function wholeNumber(min: number, max: number): Kind<number> {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse: (value) => {
      const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? number : undefined;
    },
  };
}

export function matching(pattern: RegExp, allowed: string): Kind<string> {
  return { allowed, parse: (value) => (pattern.test(value) ? value : undefined) };
}

/** Separated by blanks or commas. One wrong item makes the value wrong. */
export function listOf<T>(item: Kind<T>): Kind<readonly T[]> {
  return {
    allowed: `a list, separated by blanks or commas, of: ${item.allowed}`,
    parse: (value) => {
      const items = value
        .split(/[\s,]+/)
        .filter(Boolean)
        .map(item.parse);
      return items.length > 0 && items.every((one) => one !== undefined) ? (items as T[]) : undefined;
    },
  };
}

/** One of a closed set, in any case. */
export function word<T extends string>(words: readonly T[]): Kind<T> {
  return { allowed: words.join(', '), parse: (value) => words.find((one) => one === value.toUpperCase()) };
}

/** A value that becomes an argument must not look like an option. */
export const hostName = matching(
  /^[A-Za-z0-9_[][A-Za-z0-9_.:@%[\]-]{0,254}$/,
  'a host name (letters, digits, “.”, “_”, “-”; not beginning with “-”)',
);

/** linstor-behaviour §1.2. */
export const nodeName = matching(/^[A-Za-z0-9][A-Za-z0-9.-]{0,253}[A-Za-z0-9]$/, 'a LINSTOR node name');
export const objectName = matching(
  /^[A-Za-z_][A-Za-z0-9_-]{1,47}$/,
  'a LINSTOR name (2 to 48 letters, digits, “_”, “-”; first a letter or “_”)',
);
export const volumePattern = matching(
  /^[A-Za-z_*][A-Za-z0-9_*-]{0,47}$/,
  'a LINSTOR resource, in which “*” stands for anything (“OpenNebula-Image-*”)',
);
export const poolName = matching(
  /^[A-Za-z_][A-Za-z0-9_-]{2,47}$/,
  'a LINSTOR storage pool (3 to 48 letters, digits, “_”, “-”; first a letter or “_”)',
);
export const auxKey = matching(/^[^\s,=-][^\s,=]*(=[^\s,]*)?$/, 'a node property, “key” or “key=value”');

export const absolutePath = matching(/^\/[^\0\r\n]*$/, 'an absolute path');

/** The value is taken as it is; it is never shown. */
export const secret = matching(/^[^\0\r\n]+$/, 'one line of text');

/** Java's syntax, which LINSTOR uses, is not JavaScript's: only what can be no expression at all is refused. */
export const regularExpression = matching(
  /^[^\0\r\n]{1,1000}$/,
  'a regular expression of at most 1000 characters',
);

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** In milliseconds; 0 for none. */
export const duration: Kind<number> = {
  allowed: 'a time with its unit (“90m”, “48h”, “7d”, “2w”), or no',
  parse: (value) => {
    if (/^(no|off|0)$/i.test(value)) return 0;
    const [, digits, unit] = /^([1-9]\d{0,4})([mhdw])$/i.exec(value) ?? [];
    if (digits === undefined || unit === undefined) return undefined;
    return Number(digits) * unitMs[unit.toLowerCase() as keyof typeof unitMs];
  },
};

/** How many snapshots of each kind stay; `none`: those that a policy has taken go. */
export interface SnapshotPolicy {
  readonly hours: number;
  readonly days: number;
  readonly weeks: number;
}

/** `24h 7d 4w` */
export const snapshotPolicy: Kind<SnapshotPolicy> = {
  allowed:
    'how many hourly, daily and weekly snapshots are kept (“24h 7d 4w”), each from 1 to 1000 and named once at most, or none',
  parse: (value) => {
    const policy = { hours: 0, days: 0, weeks: 0 };
    if (/^(none|no)$/i.test(value)) return policy;
    for (const item of value.split(/[\s,]+/).filter(Boolean)) {
      const [, digits, unit] = /^([1-9]\d{0,3})([hdw])$/i.exec(item) ?? [];
      const field = ({ h: 'hours', d: 'days', w: 'weeks' } as const)[unit?.toLowerCase() as 'h'];
      if (field === undefined || policy[field] > 0 || Number(digits) > 1000) return undefined;
      policy[field] = Number(digits);
    }
    return policy;
  },
};

export const bandwidth = matching(/^[1-9]\d{0,12}[KMGT]?$/i, 'bytes a second, with K, M, G or T (“100M”)');

/** Of an address, for OpenNebula's downloader. `file` would be a way round RESTRICTED_DIRS. */
export const scheme: Kind<string> = {
  allowed: 'a scheme (“s3”, “ssh”, “restic”), without “://”',
  parse: (value) => {
    const name = value.toLowerCase();
    return /^[a-z][a-z0-9+.-]{0,31}$/.test(name) && name !== 'file' ? name : undefined;
  },
};

export const sources = listOf<SourceRule | 'private'>({
  allowed: 'private, a network (“10.1.0.0/16”), an address or a host, the last two also with “:port”',
  parse: parseSourceRule,
});

/** Put before `one-vm-<id>-disk-<id>`, so it has to leave room for that. */
export const prefix = matching(
  /^[A-Za-z_][A-Za-z0-9_-]{0,15}$/,
  '1 to 16 letters, digits, “_”, “-”; first a letter or “_”',
);

/** As OpenNebula reads it: blanks separate, commas do not. */
export const directories: Kind<readonly string[]> = {
  allowed: 'absolute directories, separated by blanks',
  parse: (value) => {
    const items = value.split(/\s+/).filter(Boolean);
    return items.every((item) => item.startsWith('/') && !item.includes(',/') && !item.endsWith(','))
      ? items
      : undefined;
  },
};

export const layers = listOf(
  word<LayerKind>(['DRBD', 'LUKS', 'NVME', 'WRITECACHE', 'CACHE', 'BCACHE', 'STORAGE']),
);

export const providers = listOf(word(providerNames));

export const controllers = listOf<string>({
  allowed: 'host, host:port, linstor://host[:port], linstor+ssl://host[:port], http(s)://host[:port]',
  parse: (value) => {
    try {
      parseController(value);
      return value;
    } catch (error) {
      if (isDriverError(error)) return undefined;
      throw error;
    }
  },
});

/** `host=node host=node` */
export const nodeMap: Kind<Readonly<Record<string, string>>> = {
  allowed: 'pairs “host=node”, separated by blanks or commas, each host once',
  parse: (value) => {
    const map = new Map<string, string>();
    for (const pair of value.split(/[\s,]+/).filter(Boolean)) {
      const [host = '', node = '', ...more] = pair.split('=');
      if (!hostName.parse(host) || !nodeName.parse(node) || more.length > 0 || map.has(host))
        return undefined;
      map.set(host, node);
    }
    return Object.fromEntries(map);
  },
};

/**
 * Options of DRBD and the site's own notes. Whatever runs commands on hosts (handlers, options of lvcreate), holds a secret, or is the
 * driver's to keep, is not among them: whoever may write a datastore is not root on every node.
 */
const propertyKey = /^(?:DrbdOptions\/(?:Net|Disk|PeerDevice|Resource)\/[a-z0-9-]+|Aux(?:\/\w[\w.-]*)+)$/;
const keptProperty =
  /^(?:DrbdOptions\/Net\/(?:allow-two-primaries|shared-secret|cram-hmac-alg|protocol)|Aux\/one(?:\/.*)?)$/i;

/** `key=value key=value` */
export const linstorProperties: Kind<Readonly<Record<string, string>>> = {
  allowed:
    'pairs “key=value”, separated by blanks, each key once: DrbdOptions/{Net,Disk,PeerDevice,Resource}/… or Aux/…, but not Aux/one/…, allow-two-primaries, protocol or secrets',
  parse: (value) => {
    const map = new Map<string, string>();
    for (const pair of value.split(/\s+/).filter(Boolean)) {
      const [, key = '', text = ''] = /^([^=]+)=([\w.,:/@%+-]{1,200})$/.exec(pair) ?? [];
      if (!propertyKey.test(key) || keptProperty.test(key) || map.has(key)) return undefined;
      map.set(key, text);
    }
    return map.size === 0 ? undefined : Object.fromEntries(map);
  },
};
