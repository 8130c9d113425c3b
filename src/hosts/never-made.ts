/**
 * ssh connections that were never made: a busy host's sshd takes longer for its banner than ssh waits, limits new connections
 * (MaxStartups), or is just being restarted. Nothing has run then, and trying again is safe.
 */

/**
 * Put before every script that goes over ssh: its first word, by which is known that it has begun. A script may call ssh itself, with
 * messages and an exit code of the same kind.
 */
const mark = '\u001ebegun';
export const beginning = `printf '\\036begun\\n' >&2\n`;

export const hasBegun = (stderr: string): boolean => stderr.includes(mark);

export const withoutMark = (stderr: string): string => stderr.replace(`${mark}\n`, '');

/** Before anything else: the network's own refusals. OpenSSH's words; its exit code is 255 for all of them. */
const unconnected = /^ssh: connect to host .* port \d+:/m;

/** A connection whose other side was not ready to talk, up to the exchange of keys. */
const unready =
  /banner exchange|^(ssh|kex)_exchange_identification:|Connection (closed|reset) by [^\n]* \[?preauth|^ssh_dispatch_run_fatal: .* during key exchange/m;

/** The other side was not ready to talk. */
export const isUnready = (exitCode: number, stdout: string, stderr: string): boolean =>
  exitCode === 255 && stdout === '' && !hasBegun(stderr) && unready.test(stderr);

/** So often more it is tried. A host that takes no connection at all is more likely to be dead. */
export function triesMore(exitCode: number, stdout: string, stderr: string): number {
  if (isUnready(exitCode, stdout, stderr)) return 3;
  return exitCode === 255 && stdout === '' && !hasBegun(stderr) && unconnected.test(stderr) ? 1 : 0;
}

export const pausesMs: readonly number[] = [1_000, 3_000, 9_000];
