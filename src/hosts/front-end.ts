import { readFileSync, statSync } from 'node:fs';
import { ownName } from './this-machine.ts';

/** Which front-end this is, and whether it is one of several. All of it is local: it costs no call. */

/** SERVER_ID of oned.conf: -1, or absent, where oned is alone; else its number in the zone (contract §1.6). */
export function serverIdOf(onedConf: string): number {
  const text = onedConf.replaceAll(/#.*$/gm, '');
  const section = /^[ \t]*FEDERATION[ \t]*=[ \t]*\[([^\]]*)\]/m.exec(text)?.[1] ?? '';
  return Number(/\bSERVER_ID\s*=\s*"?(-?\d+)/.exec(section)?.[1] ?? -1);
}

/**
 * By the oned.conf of this installation. One that is there and cannot be read counts as several: to lock for nothing costs some
 * milliseconds, not to lock may cost a disk.
 */
export function isOneOfSeveral(env: Readonly<Record<string, string | undefined>>): boolean {
  const location = env['ONE_LOCATION']?.trim();
  try {
    return (
      serverIdOf(readFileSync(location ? `${location}/etc/oned.conf` : '/etc/one/oned.conf', 'utf8')) >= 0
    );
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    return code !== 'ENOENT' && code !== 'ENOTDIR';
  }
}

export interface FrontEnd {
  /** For people. */
  readonly name: string;
  /**
   * The same for all processes, and only for those, that meet at the same lock files of one kernel: whoever holds such a file knows
   * that what another of them had held under it is given up. Machines may be copies of each other; what a kernel makes up when it starts is not.
   */
  readonly identity: string;
}

/** Of processes that keep their lock files in `lockDirectory`. */
export function thisFrontEnd(lockDirectory: string): FrontEnd {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const { dev, ino } = statSync(lockDirectory);
  const digest = new Bun.CryptoHasher('sha256').update(`${boot} ${dev} ${ino}`).digest('hex');
  return { name: ownName(), identity: digest.slice(0, 16) };
}
