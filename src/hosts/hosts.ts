import type { Log } from '../effects.ts';

/** Work on other machines, over ssh, and on this one. Nothing of ours is installed on hosts. */

export interface HostCommand {
  /** Name for the log: `link-disk`, `dd`. */
  readonly verb: string;
  /**
   * Constant bash text. Values never stand in it: they reach it as `"$1"`, `"$2"`, … The text runs
   * under `set -uo pipefail` (before bash 4.4 without -u) with LC_ALL=C and sbin in PATH; add `set -e` where it is wanted.
   */
  readonly script: string;
  readonly args?: readonly string[];
  /** Milliseconds until the ssh process is ended and HOST_TIMEOUT is thrown. Always given: every wait has a deadline. */
  readonly timeoutMs: number;
  /** Small inputs (up to some MiB). Bulk data goes through `transfer/`. */
  readonly stdin?: string | Uint8Array;
  /** Exit codes that are an answer and not a failure; default `[0]`. */
  readonly okCodes?: readonly number[];
  /** Hide the arguments in logs and errors. */
  readonly sensitive?: boolean;
}

export interface HostResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
  /** What the login shell printed before the answer; it is no part of it. */
  readonly noise?: string;
}

export interface Hosts {
  /**
   * One ssh session. Throws HOST_UNREACHABLE (ssh's 255), HOST_TIMEOUT, or HOST_COMMAND with the last lines
   * of stderr when the exit code is not in `okCodes`.
   */
  run(host: string, command: HostCommand): Promise<HostResult>;
  /** The same on this machine, without ssh. */
  local(command: HostCommand): Promise<HostResult>;
  /** argv that runs `command` on `host`; for building pipelines in `transfer/`. */
  sshArgv(host: string, command: Pick<HostCommand, 'script' | 'args'>): readonly string[];
  /** Told of every call; pipelines, which are run by their builders, tell it themselves. */
  readonly onCall?: Log['call'] | undefined;
  /** Names under which OpenNebula may call this front-end. */
  isFrontend(host: string): boolean;
}
