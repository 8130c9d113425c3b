import { readFileSync } from 'node:fs';
import type { MiB } from '../units.ts';

/*
 * Usage of VM disks for OpenNebula: in the reply up to 5.10, by datagram to monitord since 5.12 (contract §6.2). Sending is
 * in monitord-datagrams.ts, loaded when there is something to send: what it needs costs 7 ms and 15 MiB.
 */

export interface DiskUsage {
  readonly vmId: number;
  readonly diskId: number;
  readonly sizeMib: MiB;
  readonly snapshots: readonly { readonly id: number; readonly sizeMib: MiB }[];
}

/** Several disks of one VM must be in one block: `DISK_SIZE=[…] SNAPSHOT_SIZE=[…] …`. */
export function usageByVm(usage: readonly DiskUsage[]): Map<number, string> {
  const texts = new Map<number, string[]>();
  for (const disk of usage) {
    const parts = texts.get(disk.vmId) ?? [];
    parts.push(`DISK_SIZE=[ID=${disk.diskId},SIZE=${disk.sizeMib}]`);
    for (const snapshot of disk.snapshots)
      parts.push(`SNAPSHOT_SIZE=[ID=${snapshot.id},DISK_ID=${disk.diskId},SIZE=${snapshot.sizeMib}]`);
    texts.set(disk.vmId, parts);
  }
  return new Map([...texts].map(([vmId, parts]) => [vmId, parts.join(' ')]));
}

/** Lines for the reply of `monitor` (5.8, 5.10). */
export const inBandLines = (usage: readonly DiskUsage[]): string[] =>
  [...usageByVm(usage)].map(([vmId, text]) => `VM=[ID=${vmId},POLL="${text}"]`);

export interface Monitord {
  readonly host: string;
  readonly port: number;
  /** PEM; datagrams are encrypted with it when monitord has one. */
  readonly publicKey?: string;
}

/** Where monitord listens, from the first readable of its configuration files. */
export function findMonitord(env: Readonly<Record<string, string | undefined>>, read = readText): Monitord {
  const location = env['ONE_LOCATION']?.trim();
  const files = location
    ? [`${location}/etc/monitord.conf`]
    : ['/etc/one/monitord.conf', '/var/tmp/one_db/etc/monitord.conf'];
  const text = files.map(read).find((each) => each !== undefined) ?? '';
  const network = /^\s*NETWORK\s*=\s*\[([^\]]*)\]/m.exec(withoutComments(text))?.[1] ?? '';
  const value = (key: string): string | undefined =>
    new RegExp(`\\b${key}\\s*=\\s*"?([^",\\s]*)"?`).exec(network)?.[1];
  const address = value('MONITOR_ADDRESS');
  const keyFile = value('PUBKEY');
  const publicKey = keyFile ? read(keyFile) : undefined;
  return {
    host: address === undefined || address === '' || address === 'auto' ? '127.0.0.1' : address,
    port: Number(value('PORT') ?? 4124) || 4124,
    ...(publicKey ? { publicKey } : {}),
  };
}

const withoutComments = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.replace(/^\s*#.*$/, ''))
    .join('\n');

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
