import { DriverError } from '../errors.ts';
import { type ResourceName, resourceName } from '../linstor/names.ts';

/**
 * Names of LINSTOR objects and SOURCE strings. A published format: existing installations, also those of the
 * bash driver, hold them (contract §0.2). Never change a result here.
 */

/** LINSTOR's rule (linstor-behaviour §1.2): 2–48 of letters, digits, `_`, `-`; first a letter or `_`. */
const resourceNamePattern = /^[A-Za-z_][A-Za-z0-9_-]{1,47}$/;

export function imageResource(prefix: string, imageId: number): ResourceName {
  return checked(`${prefix}one-image-${imageId}`);
}

export function diskResource(prefix: string, vmId: number, diskId: number): ResourceName {
  return checked(`${prefix}one-vm-${vmId}-disk-${diskId}`);
}

export function checkpointResource(prefix: string, vmId: number): ResourceName {
  return checked(`${prefix}one-vm-${vmId}-checkpoint`);
}

/** The memory that belongs to a VM's snapshot. */
export function memoryResource(prefix: string, vmId: number, snapshotId: number): ResourceName {
  return checked(`${prefix}one-vm-${vmId}-memory-${snapshotId}`);
}

/** How often the node of one after another may be away before the first one has come back. */
const standInNumbers = [1, 2, 3, 4] as const;

/**
 * Names that a disk or checkpoint of a VM may have, the proper one first. LINSTOR keeps the name of what it deletes until every node of it has
 * answered, a dead one too; a VM that is deployed anew meanwhile gets its volume under a stand-in.
 */
export const namesFor = (name: ResourceName): readonly ResourceName[] => [
  name,
  ...standInNumbers.map((number) => resourceName(`${name}-r${number}`)),
];

/** The proper name of what may be a stand-in. */
export const properName = <N extends string>(name: N): N =>
  /one-vm-\d+-(?:disk-\d+|checkpoint)-r[1-4]$/.test(name) ? (name.replace(/-r[1-4]$/, '') as N) : name;

/** LINSTOR snapshot that stands for OpenNebula's snapshot of a disk or image. */
export function snapshotName(snapshotId: number): string {
  return `snapshot-${snapshotId}`;
}

/** The id in `snapshot-<id>`; undefined for helper and backup snapshots. */
export function snapshotId(name: string): number | undefined {
  const match = /^snapshot-(\d+)$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/**
 * LINSTOR snapshot of an image from which its clones are restored (`base.ts`). Numbered: a later one takes over while restores from
 * an earlier one may still run.
 */
export const baseName = (number: number): string => `one-base-${number}`;

/** The number in `one-base-<number>`; undefined for any other snapshot. */
export function baseNumber(name: string): number | undefined {
  const match = /^one-base-(\d+)$/i.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Which increment a backup snapshot holds; `full`: it is only what a full backup is read from. */
export interface BackupPoint {
  readonly increment: number | 'full';
  /** Of an image that several VMs may have: each of them has a chain of its own. */
  readonly vmId?: number;
}

export function backupSnapshot({ increment, vmId }: BackupPoint): string {
  return `one-backup-${increment}${vmId === undefined ? '' : `-vm-${vmId}`}`;
}

/** Undefined for every snapshot that no backup has made. */
export function parseBackupSnapshot(name: string): BackupPoint | undefined {
  const match = /^one-backup-(?:(\d{1,9})|full)(?:-vm-(\d{1,9}))?$/i.exec(name);
  if (!match) return undefined;
  return {
    increment: match[1] === undefined ? 'full' : Number(match[1]),
    ...(match[2] === undefined ? {} : { vmId: Number(match[2]) }),
  };
}

/** What a disk held before a restore in place, until that is complete. */
export function restoreSnapshotName(vmId: number): string {
  return `one-restore-${vmId}`;
}

/** LINSTOR snapshot on each disk that stands for OpenNebula's snapshot of a VM. */
export const vmSnapshotName = (vmId: number, snapshotId: number): string =>
  `one-vm-${vmId}-snapshot-${snapshotId}`;

export function parseVmSnapshot(
  name: string,
): { readonly vmId: number; readonly snapshotId: number } | undefined {
  const match = /^one-vm-(\d{1,9})-snapshot-(\d{1,9})$/i.exec(name);
  return match ? { vmId: Number(match[1]), snapshotId: Number(match[2]) } : undefined;
}

/** What the disks of a VM held before a revert of the VM, until that is complete. */
export const revertSnapshotName = (vmId: number): string => `one-revert-${vmId}`;

/** The VM in `one-revert-<vm>`; undefined for any other snapshot. */
export function parseRevertSnapshot(name: string): number | undefined {
  const match = /^one-revert-(\d{1,9})$/i.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** LINSTOR's limit (linstor-behaviour §1.2). */
const snapshotNameLength = 48;

export interface PolicyPoint {
  readonly vmId: number;
  /** Epoch milliseconds, to the second. */
  readonly at: number;
  /** Ids of the disks that it was taken of; absent where they have no room in the name. */
  readonly disks?: readonly number[];
}

/**
 * LINSTOR snapshot that a policy has taken of a VM's disks: the time in UTC, and which disks as a bit each (base 36). By that one that was
 * taken, or deleted, of some of them only is told from one that is older than a disk.
 */
export function policySnapshotName({ vmId, at, disks = [] }: PolicyPoint): string {
  const time = new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const set = disks.reduce((bits, id) => bits | (1n << BigInt(id)), 0n).toString(36);
  const plain = `one-policy-${vmId}-${time}`;
  const name = `${plain}-${set}`;
  return disks.length > 0 && name.length <= snapshotNameLength ? name : plain;
}

/** Undefined for every snapshot that no policy has made. */
export function parsePolicySnapshot(name: string): PolicyPoint | undefined {
  const match = /^one-policy-(\d{1,9})-(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)z(?:-([0-9a-z]{1,20}))?$/i.exec(
    name,
  );
  if (!match) return undefined;
  const [year = 0, month = 0, ...rest] = match.slice(2, 8).map(Number);
  const disks = match[8] === undefined ? undefined : idsOf(match[8].toLowerCase());
  const point = {
    vmId: Number(match[1]),
    at: Date.UTC(year, month - 1, ...rest),
    ...(disks ? { disks } : {}),
  };
  return policySnapshotName(point).toLowerCase() === name.toLowerCase() ? point : undefined;
}

function idsOf(text: string): number[] {
  const bits = [...text].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n);
  return [...bits.toString(2)].reverse().flatMap((bit, id) => (bit === '1' ? [id] : []));
}

/** Temporary resource of one action; `gc` recognises the pattern. `nonce`: a few letters and digits. */
export function scratchResource(prefix: string, purpose: string, nonce: string): ResourceName {
  return checked(`${prefix}one-tmp-${purpose}-${nonce}`);
}

export interface ParsedName {
  readonly kind: 'image' | 'disk' | 'checkpoint' | 'memory' | 'scratch';
  readonly imageId?: number;
  readonly vmId?: number;
  readonly diskId?: number;
  /** Of a VM's snapshot, whose memory it is. */
  readonly snapshotId?: number;
}

/** What a resource of ours stands for; undefined for a foreign name. */
export function parseResource(prefix: string, name: string): ParsedName | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const rest = properName(name.slice(prefix.length));
  const image = /^one-image-(\d+)$/.exec(rest);
  if (image) return { kind: 'image', imageId: Number(image[1]) };
  const disk = /^one-vm-(\d+)-disk-(\d+)$/.exec(rest);
  if (disk) return { kind: 'disk', vmId: Number(disk[1]), diskId: Number(disk[2]) };
  const checkpoint = /^one-vm-(\d+)-checkpoint$/.exec(rest);
  if (checkpoint) return { kind: 'checkpoint', vmId: Number(checkpoint[1]) };
  const memory = /^one-vm-(\d+)-memory-(\d+)$/.exec(rest);
  if (memory) return { kind: 'memory', vmId: Number(memory[1]), snapshotId: Number(memory[2]) };
  if (/^one-tmp-[a-z]+-[a-z0-9]+$/.test(rest)) return { kind: 'scratch' };
  return undefined;
}

/** SOURCE of an image: opaque to OpenNebula, without blanks and `:`. The same for every layer stack. */
export function sourceOf(resource: ResourceName): string {
  return `/dev/drbd/by-res/${resource}/0`;
}

/** The resource in a SOURCE of ours, whatever its volume; in lower case, for looking up. Undefined for any other. */
export const resourceKeyOf = (source: string): string | undefined =>
  /^\/dev\/drbd\/by-res\/([^/]+)\/\d+$/.exec(source.trim())?.[1]?.toLowerCase();

/**
 * The resource that a SOURCE names: its second-to-last path component, never derived from an image id
 * (contract §0.2). Throws BAD_ARGUMENT when it is no such path.
 */
export function resourceOfSource(source: string): ResourceName {
  const match = /^\/dev\/drbd\/by-res\/([^/]+)\/0$/.exec(source.trim());
  if (!match?.[1] || !resourceNamePattern.test(match[1])) {
    throw new DriverError(
      'BAD_ARGUMENT',
      `SOURCE “${source}” is not of the form /dev/drbd/by-res/<resource>/0`,
      {
        remedy: 'the image was not made by this driver; nothing was changed',
      },
    );
  }
  return resourceName(match[1]);
}

function checked(name: string): ResourceName {
  if (!resourceNamePattern.test(name)) {
    throw new DriverError('BAD_ATTRIBUTE', `“${name}” is not a valid LINSTOR resource name`, {
      remedy: 'NAME_PREFIX must start with a letter and hold only letters, digits, “_” and “-”, 16 at most',
    });
  }
  return resourceName(name);
}

/** Serialises all work on one resource on this front-end (contract §1.4). */
export const lockName = (resource: ResourceName): string => `rd-${resource.toLowerCase()}`;
