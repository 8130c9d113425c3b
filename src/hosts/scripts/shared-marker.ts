import { dirname } from 'node:path';
import { type DialogueOptions, dialogue } from '../dialogue.ts';
import type { Hosts } from '../hosts.ts';
import leaveMarkerText from '../shell/leave-marker.sh' with { type: 'text' };
import lookForMarkerText from '../shell/look-for-marker.sh' with { type: 'text' };
import lookOrRemoveText from '../shell/look-or-remove.sh' with { type: 'text' };
import markerText from '../shell/marker.sh' with { type: 'text' };

/**
 * Is a directory the same on two hosts (NFS, …)? Found out by a file with a random name, because file system types don't tell, and
 * inode numbers may differ on one file system and agree on two. Removing such a directory on one host would remove it on the
 * other: a shared directory that is taken for a local one destroys a running VM's files.
 */

/**
 * `leave`: a marker in the directory, or where it will be, that goes with this shell; markers of calls that were killed are swept. `sees`:
 * a listing makes NFS look again.
 */
export const markerFunctions = `\n${markerText}`;

/** The side that leaves the marker: directory, name. It stays until the other side has looked, and ended. */
const leaveScript = `${markerFunctions}\n${leaveMarkerText}`;

const shared = 81;

/** Arguments: name. */
const lookScript = `${markerFunctions}\n${lookForMarkerText}`;

/** Arguments: name, directory. Without a word from the other side nothing is removed. */
const lookOrRemoveScript = `${markerFunctions}\n${lookOrRemoveText}`;

export const markerName = (): string => `.linstor_un-${crypto.randomUUID()}`;

type Options = Omit<DialogueOptions, 'timeoutMs'>;

/** One session on each host. */
export async function isSharedDirectory(
  hosts: Hosts,
  one: string,
  other: string,
  directory: string,
  options: Options = {},
): Promise<boolean> {
  if (one === other) return true;
  return look(hosts, one, other, directory, { verb: 'same-dir', script: lookScript, args: [] }, options);
}

/** Removes the directory from `host` unless it is the one that `other` has; returns whether it is that one. */
export async function removeWhereNotShared(
  hosts: Hosts,
  host: string,
  other: string,
  directory: string,
  options: Options,
): Promise<boolean> {
  const command = { verb: 'remove-dir', script: lookOrRemoveScript, args: [directory] };
  return look(hosts, other, host, dirname(directory), command, options);
}

async function look(
  hosts: Hosts,
  one: string,
  other: string,
  directory: string,
  command: { verb: string; script: string; args: readonly string[] },
  options: Options,
): Promise<boolean> {
  const name = markerName();
  const { codes } = await dialogue(
    hosts,
    { host: one, verb: 'same-dir', script: leaveScript, args: [directory, name] },
    { host: other, ...command, args: [name, ...command.args], okCodes: [0, shared] },
    { timeoutMs: 120_000, ...options },
  );
  return codes[1] === shared;
}
