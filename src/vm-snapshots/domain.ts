import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import absentText from '../hosts/shell/absent-domain.sh' with { type: 'text' };
import startText from '../hosts/shell/start-domain.sh' with { type: 'text' };
import stopText from '../hosts/shell/stop-domain.sh' with { type: 'text' };
import type { ResourceName } from '../linstor/names.ts';

const absentScript = `\n${absentText}`;
const startScript = `\n${startText}`;
const stopScript = `\n${stopText}`;

/** A domain that is ended and started again as it was: what was attached to it since its deployment is still there. */
export interface Domain {
  readonly host: string;
  readonly deployId: string;
  /** The VM's directory on the host. */
  readonly directory: string;
  /** OpenNebula's settings of the hypervisor's scripts, on the host. */
  readonly config: string;
  /** Of its disks: while it is ended, the host has a note of each, for a start at which LINSTOR cannot be asked (`noteUnfinished`). */
  readonly resources: readonly ResourceName[];
}

/** Holds the display's password: nobody else may read it, and it goes when the domain runs. */
export const documentOf = ({ directory }: Domain): string => `${directory}/linstor_un-revert.xml`;

const stopMs = 180_000;
const startMs = 300_000;

/** Saves the domain's document and ends the domain; one that is not there is no failure. Throws HOST_COMMAND, HOST_UNREACHABLE. */
export async function stopDomain(ctx: Context, domain: Domain): Promise<void> {
  const { stdout } = await ctx.hosts.run(domain.host, {
    verb: 'stop-domain',
    script: stopScript,
    args: [domain.config, domain.deployId, documentOf(domain), ...domain.resources],
    timeoutMs: stopMs,
  });
  if (stdout.trim() === 'absent')
    ctx.log.warn(`${domain.deployId} is not running on ${domain.host}; its disks are reverted all the same`);
}

/** True only when the hypervisor answers and has no such domain. Never throws. */
export async function isAbsent(ctx: Context, { host, config, deployId }: Domain): Promise<boolean> {
  try {
    const { stdout } = await ctx.hosts.run(host, {
      verb: 'look-for-domain',
      script: absentScript,
      args: [config, deployId],
      timeoutMs: 90_000,
    });
    return stdout.trim() === 'absent';
  } catch (error) {
    ctx.log.warn(`whether ${deployId} runs on ${host} is not known: ${toDriverError(error).message}`);
    return false;
  }
}

/** Starts it from the document, or from OpenNebula's newest deployment file where there is none. One that runs is left alone. */
export async function startDomain(ctx: Context, domain: Domain): Promise<void> {
  try {
    await ctx.hosts.run(domain.host, {
      verb: 'start-domain',
      script: startScript,
      args: [domain.config, domain.deployId, documentOf(domain), ...domain.resources],
      timeoutMs: startMs,
    });
  } catch (error) {
    const text = toDriverError(error).message;
    throw new DriverError('HOST_COMMAND', `${domain.deployId} does not start on ${domain.host}: ${text}`, {
      remedy: `look for the cause in libvirt's log on ${domain.host}; start the VM with onevm resume when OpenNebula shows it as POWEROFF`,
      cause: error,
    });
  }
}
