import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Context } from '../../context.ts';
import type { HostResult } from '../../hosts/hosts.ts';
import type { Hypervisor } from '../../vm-snapshots/memory.ts';
import { remotesOf, runThere } from '../foreign-script.ts';

/** OpenNebula's own scripts on the host, which ours stand before (contract §5.1, §5.9). */

const defaultDirectory = '/var/tmp/one';

/** Memory of a large guest, to slow storage. */
const timeoutMs = 6 * 60 * 60_000;

/** SCRIPTS_REMOTE_DIR, which oned writes into `<var>/config`; the shipped default when there is no such file. */
export function remoteScripts(ctx: Context): string {
  try {
    const text = readFileSync(join(dirname(remotesOf(ctx)), 'config'), 'utf8');
    return /^\s*SCRIPTS_REMOTE_DIR\s*=\s*"?([^"\s]+)"?\s*$/m.exec(text)?.[1] ?? defaultDirectory;
  } catch {
    return defaultDirectory;
  }
}

/** Settings of the hypervisor's scripts, on the host. */
export const hypervisorConfig = (ctx: Context): string => `${remoteScripts(ctx)}/etc/vmm/kvm/kvmrc`;

/** What a snapshot of a whole VM needs of it. */
export const hypervisorOf = (ctx: Context): Hypervisor => ({
  config: hypervisorConfig(ctx),
  save: `${remoteScripts(ctx)}/vmm/kvm/save`,
  restore: `${remoteScripts(ctx)}/vmm/kvm/restore`,
});

/**
 * Runs it with the arguments as they came and the *decoded* document: it looks in it for hooks of the system datastore's
 * TM, and finds none in base64 (contract §9.1 no. 33). Throws RelayedFailure, HOST_UNREACHABLE.
 */
export function runNative(
  ctx: Context,
  name: 'save' | 'restore' | 'snapshot_create' | 'snapshot_revert' | 'snapshot_delete',
  argv: readonly string[],
  message: { readonly host: string; readonly xml: string },
): Promise<HostResult> {
  return runThere(ctx, message.host, {
    name: `vmm/kvm/${name}`,
    candidates: [`${remoteScripts(ctx)}/vmm/kvm/${name}`],
    argv,
    stdin: message.xml,
    timeoutMs,
  });
}
