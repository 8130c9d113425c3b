import type { Hosts } from '../../hosts/hosts.ts';
import probeHostText from './shell/probe-host.sh' with { type: 'text' };

/** What a host says about itself; one ssh session. */
export interface HostFacts {
  readonly kernel: string;
  /** Version of the DRBD module; empty without one. */
  readonly drbd: string;
  readonly qemuImg: string;
  readonly missing: readonly string[];
  readonly groups: readonly string[];
  readonly root: boolean;
  /** Seconds since the epoch there, and milliseconds here when it was read. */
  readonly clock: number;
  readonly askedAt: number;
  readonly stagingFreeKib: number;
  readonly stagingWritable: boolean;
  /** LVM would scan DRBD devices: no filter excludes them. Unknown without LVM or permission. */
  readonly lvmScansDrbd?: boolean;
  /** Entries of its `global_filter`, with their quotation marks. */
  readonly lvmFilter?: readonly string[];
  readonly multipathGrabsDrbd?: boolean;
  readonly suspended: readonly string[];
  /** LVM thin pools that do not zero what they hand out; none where only root may ask. */
  readonly unzeroedPools: readonly string[];
  /** Directories of VMs in the system datastores that were asked for: datastore and VM. */
  readonly vmDirectories: readonly { readonly datastore: number; readonly vm: number }[];
  /** What the login shell prints without a terminal. */
  readonly noise: string;
}

const tools = [
  'dd',
  'qemu-img',
  'blockdev',
  'blkdiscard',
  'virsh',
  'flock',
  'stat',
  'tar',
  'qemu-io',
  'thin_delta',
];

/** Where a host that a copy is read from puts chunks (transfer/copy.ts); STAGING_DIR is the front-end's. */
export const hostStagingDir = '/var/tmp';

/** Reads only. `key=value` lines; "$1" is the staging directory, "$2" a list of datastore directories, one a line; the rest are tools. */
const script = `\n${probeHostText}`;

/** Throws what `Hosts.run` throws. */
export async function probeHost(
  hosts: Hosts,
  host: string,
  stagingDir: string,
  now: () => number,
  stores: readonly string[] = [],
): Promise<HostFacts> {
  const {
    stdout,
    ms,
    noise = '',
  } = await hosts.run(host, {
    verb: 'probe',
    script,
    args: [stagingDir, stores.join('\n'), ...tools],
    timeoutMs: 20_000,
  });
  // The clock was read in the middle of the session, about.
  return { ...parseProbe(stdout, now() - ms / 2), noise: noise.trim() };
}

export function parseProbe(text: string, askedAt: number): HostFacts {
  const values = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, key = '', value = ''] = /^([a-z-]+)=(.*)$/.exec(line) ?? [];
    if (key !== '') values.set(key, [...(values.get(key) ?? []), value.trim()]);
  }
  const one = (key: string): string => values.get(key)?.[0] ?? '';
  const many = (key: string): string[] => (values.get(key) ?? []).filter((item) => item !== '');
  const lvm = one('lvm');
  const multipath = one('multipath');
  return {
    kernel: one('kernel'),
    drbd: one('drbd'),
    qemuImg: one('qemu-img'),
    missing: many('missing'),
    groups: one('groups').split(' '),
    root: one('uid') === '0',
    clock: Number(one('clock')),
    askedAt,
    stagingFreeKib: Number(one('staging-free') || '0'),
    stagingWritable: one('staging-writable') === 'yes',
    ...(lvm === '' ? {} : { lvmScansDrbd: scansDrbd(lvm), lvmFilter: globalFilter(lvm) }),
    ...(multipath === '' ? {} : { multipathGrabsDrbd: multipath === 'open' }),
    suspended: many('suspended'),
    unzeroedPools: many('unzeroed'),
    vmDirectories: many('vm').flatMap((line) => {
      const [datastore, vm] = line.split(' ').map(Number);
      return datastore === undefined || vm === undefined ? [] : [{ datastore, vm }];
    }),
    noise: '',
  };
}

function globalFilter(lvm: string): string[] {
  const [, list = ''] = /global_filter\s*=\s*\[?((?:\s*"(?:[^"\\]|\\.)*"\s*,?)+)/.exec(lvm) ?? [];
  return [...list.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([entry]) => entry);
}

/** Names that udev gives a DRBD device. */
const drbdNames = [
  '/dev/drbd1000',
  '/dev/block/147:1000',
  '/dev/drbd/by-res/one-image-1/0',
  '/dev/drbd/by-disk/vg/one-image-1_00000',
];

/**
 * A devices file names what LVM may use; else a list of patterns must reject /dev/drbd*. The first pattern that a name meets decides about
 * the name, and one accepted name is enough: a list that ends with `a|.*|` rejects nothing, by way of /dev/block (linstor-behaviour §12.1).
 */
function scansDrbd(lvm: string): boolean {
  if (/use_devicesfile\s*=\s*1/.test(lvm)) return false;
  const lists = [...lvm.matchAll(/filter\s*=\s*\[?((?:\s*"[^"]*"\s*,?)+)/g)].map(([, list = '']) =>
    [...list.matchAll(/"([ar])(.)(.*?)\2"/g)].map(([, verdict, , pattern = '']) => ({ verdict, pattern })),
  );
  return !lists.some((patterns) => {
    const verdicts = drbdNames.map((name) => patterns.find(({ pattern }) => matches(pattern, name))?.verdict);
    return verdicts.includes('r') && !verdicts.includes('a');
  });
}

function matches(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return pattern.includes('drbd') && name.includes('drbd');
  }
}
