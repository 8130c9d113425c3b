import type { Context } from '../../context.ts';
import { type DiskCall, onDisk } from '../../disks/disk-call.ts';
import { toDriverError } from '../../errors.ts';
import { type HeldSession, holdSession } from '../../hosts/session.ts';
import { dropSnapshot, findSnapshot, NotNow, takeSnapshot } from '../../volumes/snapshot.ts';
import { whenSnapshottable } from '../../volumes/snapshot-ready.ts';
import type { ActionHandler } from '../action.ts';
import freezeText from './shell/freeze.sh' with { type: 'text' };
import { openSnapshotCall, recordUsage, usageProps } from './snap-create.ts';

/**
 * Snapshot of a disk of a running VM. The guest's file systems are frozen by the guest agent (never on the host:
 * linstor-server#525) for the snapshot alone, under a deadline, and thawed on every way out, also when this process is
 * killed. A guest that cannot be frozen is snapshotted as it is: crash-consistent, like the core drivers do.
 */
export const snapCreateLive: ActionHandler = async (call, ctx) => {
  const snapshot = await openSnapshotCall(call.argv, ctx);
  await onDisk(ctx, snapshot.disk, async (disk) => {
    const { noted, props } = await snapshotFrozen(ctx, disk, snapshot.name);
    if (!noted) await recordUsage(ctx, { ...snapshot, disk }, props);
  });
  return undefined;
};

/** How often a guest is frozen for one snapshot, when LINSTOR refuses for what nobody could know. */
const tries = 3;

/**
 * Takes a snapshot of the running VM's disk. All that can be known is known before the guest is frozen, and what passes is waited for
 * before: frozen, it waits for one call. A refusal thaws it at once.
 */
export async function snapshotFrozen(
  ctx: Context,
  disk: Pick<DiskCall, 'diskResource' | 'linstor' | 'target' | 'vm'>,
  name: string,
): Promise<{ readonly noted: boolean; readonly props: Readonly<Record<string, string>> }> {
  const { linstor } = disk;
  const { resource } = disk.diskResource;
  const what = `snapshot ${name} of ${resource} is not taken`;
  for (let left = tries; ; left -= 1) {
    const [view, leftover] = await Promise.all([
      whenSnapshottable(ctx, linstor, resource, what),
      findSnapshot(linstor, resource, name),
    ]);
    if (leftover) {
      // It belongs to a list that OpenNebula has dropped (contract §3.4), or to a try that was killed.
      ctx.log.info(`snapshot ${name} of ${resource} is a leftover and is taken again`);
      await dropSnapshot(ctx, linstor, resource, name);
    }
    const props = usageProps(view);
    try {
      const { noted } = await whileFrozen(ctx, disk.target.host, disk.vm.deployId, () =>
        takeSnapshot(ctx, linstor, resource, name, { existing: 'fail', props, atOnce: true }),
      );
      return { noted, props };
    } catch (error) {
      if (!(error instanceof NotNow) || left <= 1) throw error;
      ctx.log.info(`${error.message}; the guest has been thawed, and is frozen again when that has passed`);
      await ctx.clock.sleep(pauseMs);
    }
  }
}

/** What LINSTOR has seen and we could not needs a moment to pass. */
const pauseMs = 3_000;

/** Seconds that the agent gets to freeze, and that the guest stays frozen at most. */
const freezeSeconds = 30;
const frozenSeconds = 120;

/**
 * Freezes, says `ready`, and thaws when told to, when our side is gone, or when the time is up. `timeout` bounds virsh
 * itself: a sick agent blocks it for hours (vdsm#160). A failed freeze is thawed too: it may have half succeeded.
 */
const freezeScript = `\n${freezeText}`;

/** Runs `work` with the guest frozen if that can be had; the guest is thawed before this returns or throws. */
export async function whileFrozen<T>(
  ctx: Context,
  host: string,
  domain: string,
  work: () => Promise<T>,
): Promise<T> {
  const session = await freeze(ctx, host, domain);
  const since = ctx.clock.now();
  const forget = ctx.undo.push(`thaw ${domain} on ${host}`, async () => session?.release());
  try {
    return await work();
  } finally {
    forget();
    if (session) {
      await thaw(ctx, host, domain, session);
      if (isFrozen(session))
        ctx.log.info(`${domain} was frozen for ${((ctx.clock.now() - since) / 1000).toFixed(1)} s`);
    }
  }
}

const isFrozen = ({ said }: HeldSession): boolean => said.startsWith('frozen');

async function freeze(ctx: Context, host: string, domain: string): Promise<HeldSession | undefined> {
  if (domain === '') return undefined;
  try {
    const session = await holdSession(ctx.hosts, host, {
      verb: 'guest-freeze',
      script: freezeScript,
      args: [domain, String(freezeSeconds), String(frozenSeconds)],
      readyMs: (freezeSeconds + 60) * 1000,
    });
    if (!isFrozen(session))
      ctx.log.warn(
        `the guest agent of ${domain} does not freeze its file systems; the snapshot is crash-consistent`,
      );
    return session;
  } catch (error) {
    ctx.log.warn(
      `${domain} is not frozen (${toDriverError(error).message}); the snapshot is crash-consistent`,
    );
    return undefined;
  }
}

async function thaw(ctx: Context, host: string, domain: string, session: HeldSession): Promise<void> {
  const { exitCode, stderr } = await session.release();
  if (exitCode === 75)
    ctx.log.warn(
      `${domain} on ${host} may still be frozen: ${stderr.trim()}; run: virsh domfsthaw ${domain}`,
    );
  else if (exitCode === 76)
    ctx.log.warn(
      `${domain} was thawed after ${frozenSeconds} s, before the snapshot was done; it is crash-consistent`,
    );
}
