import type { Context } from '../context.ts';
import { toDriverError } from '../errors.ts';
import { type HeldSession, holdSession } from '../hosts/session.ts';
import type { BackupConfig } from '../opennebula/backup-config.ts';
import freezeText from './shell/freeze.sh' with { type: 'text' };

export interface FreezeWindow {
  readonly host: string;
  /** As libvirt knows it, by name or by UUID; absent for a VM that does not run. */
  readonly domain?: string;
  readonly mode: BackupConfig['freeze'];
  /** The guest is let go after so long, whatever happens. */
  readonly seconds: number;
  /** What is made meanwhile, for messages: `backup` if absent. */
  readonly of?: 'backup' | 'snapshot';
}

/** Seconds that the agent gets to freeze: a sick one blocks virsh for hours. */
const agentSeconds = 15;

const codes = { stuck: 75, late: 76 } as const;

/**
 * Arguments: domain, AGENT or SUSPEND, seconds for the agent, seconds until the guest is let go. Says `frozen` or why not, then `ready`; goes on
 * when it is told to, when the other side is gone (end of stdin), or when the time is up.
 *
 * Two let the guest go: this script, and a watchman in a session of its own whom no signal to this one reaches. He learns by a pipe
 * that this script has let go; when it ends in any other way, kill -9 included, the pipe closes and he does it. A guest that was paused before, by
 * somebody else, is left as it is.
 */
const script = `\n${freezeText}`;

/**
 * Runs `work` while the guest is frozen (AGENT) or paused (SUSPEND), if that can be had; a guest that cannot be frozen is backed up as it is,
 * like OpenNebula's own drivers do. The guest is let go before this returns or throws, and in any case when the time is up.
 */
export async function whileHeld<T>(ctx: Context, window: FreezeWindow, work: () => Promise<T>): Promise<T> {
  const session = await hold(ctx, window);
  if (!session) return work();
  const forget = ctx.undo.push(`let ${window.domain} on ${window.host} go`, () => session.release());
  try {
    return await work();
  } finally {
    forget();
    await letGo(ctx, window, session);
  }
}

const unheld = (window: FreezeWindow, why: string): string =>
  `${window.domain} on ${window.host} is not ${window.mode === 'AGENT' ? 'frozen' : 'paused'} (${why}); the ${window.of ?? 'backup'} is crash-consistent`;

async function hold(ctx: Context, window: FreezeWindow): Promise<HeldSession | undefined> {
  const { host, domain, mode, seconds } = window;
  if (domain === undefined || domain === '' || mode === 'NONE') return undefined;
  try {
    const session = await holdSession(ctx.hosts, host, {
      verb: 'guest-freeze',
      script,
      args: [domain, mode, String(agentSeconds), String(seconds)],
      readyMs: (agentSeconds + 60) * 1000,
    });
    const first = session.said.trim().split('\n').at(-1) ?? '';
    if (first !== 'frozen')
      ctx.log.warn(unheld(window, first.replace(/^unfrozen\s*/, '') || 'no reason given'));
    return session;
  } catch (error) {
    ctx.log.warn(unheld(window, toDriverError(error).message));
    return undefined;
  }
}

async function letGo(ctx: Context, window: FreezeWindow, session: HeldSession): Promise<void> {
  const { host, domain, mode, seconds } = window;
  const { exitCode, stderr } = await session.release();
  if (exitCode === codes.stuck)
    ctx.log.warn(
      `${domain} on ${host} may still be held: ${stderr.trim()}; run: virsh ${mode === 'AGENT' ? 'domfsthaw' : 'resume'} ${domain}`,
    );
  else if (exitCode === codes.late)
    ctx.log.warn(
      `${domain} was let go after ${seconds} s (BACKUP_FREEZE_SECONDS), before the snapshot was done; the ${window.of ?? 'backup'} is crash-consistent`,
    );
}
