import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { HostCommand, HostResult } from '../hosts/hosts.ts';
import firstScriptText from './shell/first-script.sh' with { type: 'text' };

/** Scripts of OpenNebula and of other drivers that ours hands on to. */

const defaultRemotes = '/var/lib/one/remotes';

/** Directory of OpenNebula's scripts on the front-end. */
export const remotesOf = (ctx: Pick<Context, 'remotes'>): string => ctx.remotes ?? defaultRemotes;

/** Another script's failure: its exit code and what it said are the caller's answer. */
export class RelayedFailure extends DriverError {
  constructor(script: string, host: string | undefined, result: Pick<HostResult, 'exitCode' | 'stderr'>) {
    const { said, besides } = userText(result.stderr);
    const where = host === undefined ? '' : ` on ${host}`;
    super(
      'HOST_COMMAND',
      `${script} failed${where} with exit code ${result.exitCode}${said === '' ? '' : `: ${said}`}`,
      {
        remedy: `see the log of the failed call; it comes from ${script}`,
        details: besides,
        driverExitCode: result.exitCode,
      },
    );
  }
}

const marker = /^ERROR MESSAGE (--8<------|------>8--)$/;
const levelled = /^(ERROR|INFO|WARN|WARNING|DEBUG):\s*/;

/** OpenNebula's `save` does this to the checkpoint before anything else; on a device it is refused, and no reason of anything. */
const onTheWay = /^(?:chmod|touch): /;
/** virsh's own reason. */
const virsh = /^error: /;

/**
 * Without markers and levels: up to 6.0.2 the message stands between markers, later it is all that has no level (contract §1.5).
 * What virsh said comes first.
 */
function userText(stderr: string): { readonly said: string; readonly besides: readonly string[] } {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !marker.test(line));
  const plain = lines.filter((line) => !levelled.test(line));
  const errors = lines.filter((line) => line.startsWith('ERROR:'));
  const chosen = plain.length > 0 ? plain : errors.length > 0 ? errors : lines;
  const reasons = chosen.filter((line) => !onTheWay.test(line));
  const told = (reasons.length > 0 ? reasons : chosen).slice(-5);
  return {
    said: [...told.filter((line) => virsh.test(line)), ...told.filter((line) => !virsh.test(line))]
      .map((line) => line.replace(levelled, ''))
      .join(' '),
    besides: reasons.length > 0 ? chosen.filter((line) => onTheWay.test(line)) : [],
  };
}

const allCodes: readonly number[] = Array.from({ length: 256 }, (_, code) => code);

/** Exit code for "none of the candidates is there". Not the shell's 127: that may come from inside a script. */
const notFound = 121;

/** Arguments: number of candidates, candidates, arguments of the script. stdin goes through. */
const firstScript = `\n${firstScriptText}`;

export interface ForeignScript {
  /** Name for logs and errors: `tm/common/context`. */
  readonly name: string;
  /** Where it may be; the first executable one is run. */
  readonly candidates: readonly string[];
  readonly argv: readonly string[];
  readonly stdin?: string;
  /** Milliseconds. */
  readonly timeoutMs: number;
}

function command(script: ForeignScript): HostCommand {
  return {
    verb: script.name,
    script: firstScript,
    args: [String(script.candidates.length), ...script.candidates, ...script.argv],
    ...(script.stdin === undefined ? {} : { stdin: script.stdin }),
    timeoutMs: script.timeoutMs,
    okCodes: allCodes,
  };
}

/** On this machine. Throws RelayedFailure; a script that is not there gives `undefined`. */
export async function runHere(ctx: Context, script: ForeignScript): Promise<HostResult | undefined> {
  const result = await ctx.hosts.local(command(script));
  if (result.exitCode === notFound) return undefined;
  return judged(ctx, script, undefined, result);
}

/** On a host. Throws RelayedFailure, HOST_UNREACHABLE, and HOST_COMMAND when the script is not there. */
export async function runThere(ctx: Context, host: string, script: ForeignScript): Promise<HostResult> {
  // 255 is ssh's own failure, not an answer.
  const result = await ctx.hosts.run(host, {
    ...command(script),
    okCodes: allCodes.filter((code) => code !== 255),
  });
  if (result.exitCode === notFound) {
    throw new DriverError('HOST_COMMAND', `${script.candidates.join(' or ')} is missing on ${host}`, {
      remedy: 'onehost sync --force',
    });
  }
  return judged(ctx, script, host, result);
}

function judged(
  ctx: Context,
  script: ForeignScript,
  host: string | undefined,
  result: HostResult,
): HostResult {
  relayLog(ctx, result.stderr);
  if (result.exitCode !== 0) throw new RelayedFailure(script.name, host, result);
  return result;
}

function relayLog(ctx: Context, stderr: string): void {
  for (const line of stderr.split('\n')) {
    const match = /^(ERROR|INFO|WARN|WARNING|DEBUG):\s*(.+)$/.exec(line.trim());
    if (!match?.[2]) continue;
    const level = match[1];
    if (level === 'DEBUG') ctx.log.debug(match[2]);
    else if (level === 'INFO') ctx.log.info(match[2]);
    else ctx.log.warn(match[2]);
  }
}

/** stdout as the one line that a reply may have; undefined when there is none. */
export function replyLine(result: HostResult): string | undefined {
  const line = result.stdout.replaceAll(/\s+/g, ' ').trim();
  return line === '' ? undefined : line;
}
