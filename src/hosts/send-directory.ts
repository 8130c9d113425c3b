import type { Hosts } from './hosts.ts';
import { type Place, removeDirectories, unpackScript } from './scripts/directories.ts';
import sendDirectoryText from './shell/send-directory.sh' with { type: 'text' };

/**
 * A VM directory with gigabytes in it (a checkpoint that is an ordinary file) goes from host to host without passing
 * the front-end. It takes ssh from host to host by the hosts' own keys, which not every site has (the front-end's agent is forwarded to
 * no host: whoever owns that could log in everywhere): whoever calls has the way over the front-end as well.
 */

/** MiB that are really there (holes do not count) below which the detour costs less than another connection. */
export const largeDirectoryMib = 256;

const unreachable = 75;

/**
 * Arguments: directory, number of names to leave out, the names, the command that unpacks on the other host. Its ssh
 * decides: 255 is the connection's own failure.
 */
const sendScript = `\n${sendDirectoryText}`;

const runArguments = `exec "$@"`;

/**
 * Moves the directory from one host to another; the caller has made sure that they are two places. False when the
 * source cannot reach the destination by ssh: nothing has changed then. Throws HOST_COMMAND, HOST_TIMEOUT.
 */
export async function sendDirectory(
  hosts: Hosts,
  from: Place,
  to: Place,
  skip: readonly string[],
  timeoutMs: number,
): Promise<boolean> {
  // Neither is the front-end: `sshArgv` of it would be a local command, and mean the source.
  if (hosts.isFrontend(from.host) || hosts.isFrontend(to.host)) return false;
  const unpack = hosts.sshArgv(to.host, { script: unpackScript, args: [to.directory] });
  const remoteSsh = ['ssh', ...unpack.slice(1)];
  const [program = 'ssh', ...rest] = hosts.sshArgv(from.host, {
    script: sendScript,
    args: [from.directory, String(skip.length), ...skip, ...remoteSsh],
  });
  const { exitCode } = await hosts.local({
    verb: 'send-dir',
    script: runArguments,
    args: [program, ...rest],
    timeoutMs,
    okCodes: [0, unreachable, 255],
  });
  if (exitCode !== 0) return false;
  await removeDirectories(hosts, from.host, [from.directory]);
  return true;
}
