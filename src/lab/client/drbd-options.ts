import type { OptionSpec, ParsedArguments } from './arguments.ts';
import { flag, value } from './command.ts';
import type { Json } from './json.ts';

/** Section of the properties in which a DRBD option lives. Those that drivers and operators use. */
const sections: Readonly<Record<string, readonly string[]>> = {
  Net: [
    'allow-two-primaries',
    'protocol',
    'max-buffers',
    'verify-alg',
    'csums-alg',
    'rr-conflict',
    'after-sb-0pri',
    'after-sb-1pri',
    'after-sb-2pri',
    'ping-timeout',
    'connect-int',
    'sndbuf-size',
  ],
  Resource: [
    'quorum',
    'on-no-quorum',
    'auto-promote',
    'on-no-data-accessible',
    'on-suspended-primary-outdated',
    'auto-promote-timeout',
  ],
  Disk: [
    'on-io-error',
    'disk-flushes',
    'disk-barrier',
    'al-extents',
    'rs-discard-granularity',
    'discard-zeroes-if-aligned',
  ],
  PeerDevice: ['c-max-rate', 'c-min-rate', 'c-fill-target', 'c-plan-ahead', 'resync-rate'],
};

const names = Object.entries(sections).flatMap(([section, options]) =>
  options.map((name) => ({ name, key: `DrbdOptions/${section}/${name}` })),
);

export const drbdOptionSpecs: readonly OptionSpec[] = names.flatMap(({ name }) => [
  value(`--${name}`),
  flag(`--unset-${name}`),
]);

export function drbdOptions(given: ParsedArguments): Record<string, Json> {
  const set = names.flatMap(({ name, key }): [string, string][] => {
    const text = given.one(name);
    return text === undefined ? [] : [[key, text]];
  });
  const unset = names.filter(({ name }) => given.has(`unset-${name}`)).map(({ key }) => key);
  return {
    ...(set.length > 0 ? { override_props: Object.fromEntries(set) } : {}),
    ...(unset.length > 0 ? { delete_props: unset } : {}),
  };
}
