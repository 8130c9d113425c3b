import { DriverError, toDriverError } from '../errors.ts';
import type { HostCommand, Hosts } from './hosts.ts';
import { PipelineError, runPipeline } from './pipeline.ts';

/** Its script reads what the other one's writes, and says to us only by its exit code and stderr. */
export interface Speaker extends Pick<HostCommand, 'verb' | 'script' | 'args'> {
  readonly host: string;
  /** Exit codes that are an answer; default `[0]`. */
  readonly okCodes?: readonly number[];
}

export interface DialogueOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** For both scripts: the other one ended, or hangs, without its word. Never the reason of a failure. */
export const silence = 79;
/** Seconds for a word that needs no work: a session whose other end is lost must not keep the other side. */
export const wordSeconds = 30;

/**
 * Two scripts on two hosts that decide something together: one session on each, where asking them in turn takes three.
 * Throws HOST_UNREACHABLE, HOST_TIMEOUT, HOST_COMMAND, INTERRUPTED. Returns the exit codes, and stderr of both.
 */
export async function dialogue(
  hosts: Hosts,
  first: Speaker,
  second: Speaker,
  options: DialogueOptions,
): Promise<{ readonly codes: readonly [number, number]; readonly stderr: string }> {
  const speakers = [first, second];
  const started = performance.now();
  const tell = (outcome: (index: number) => string): void => {
    const ms = performance.now() - started;
    for (const [index, { host, verb }] of speakers.entries()) {
      const kind = hosts.isFrontend(host) ? 'local' : 'ssh';
      hosts.onCall?.({ kind, target: host, verb, ms, outcome: outcome(index) });
    }
  };
  const stages = speakers.map(({ host, verb, script, args = [], okCodes = [0] }) => ({
    name: `${verb} on ${host}`,
    argv: hosts.sshArgv(host, { script, args }),
    okCodes,
    secondaryCodes: [silence],
  }));
  try {
    const { codes, stderr } = await runPipeline(stages, { ...options, loop: true });
    tell((index) => `exit ${codes[index] ?? -1}`);
    return { codes: [codes[0] ?? -1, codes[1] ?? -1], stderr };
  } catch (error) {
    tell((index) =>
      error instanceof PipelineError ? `exit ${error.codes[index] ?? -1}` : toDriverError(error).code,
    );
    throw unreachable(hosts, speakers, error) ?? error;
  }
}

/** 255 is ssh's own, unless there was no ssh. */
function unreachable(hosts: Hosts, speakers: readonly Speaker[], error: unknown): DriverError | undefined {
  if (!(error instanceof PipelineError) || error.exitCode !== 255) return undefined;
  const away = speakers.find(
    ({ host, verb }) => error.stage === `${verb} on ${host}` && !hosts.isFrontend(host),
  );
  if (!away) return undefined;
  return new DriverError('HOST_UNREACHABLE', `host ${away.host} cannot be reached: ${error.message}`, {
    cause: error,
  });
}
