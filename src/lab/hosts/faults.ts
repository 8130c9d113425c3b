import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostPath } from './hosts.ts';

/**
 * What a host's ssh can be told to do:
 *
 * | mode | means |
 * | --- | --- |
 * | `refused` | no sshd: connection refused at once |
 * | `down` | host off: connection times out after ConnectTimeout, at most `seconds` |
 * | `hang` | connects and never answers, for `seconds` |
 * | `slow` | answers `seconds` late |
 * | `fail` | the command is not run and exits with `code` |
 * | `lost` | the command runs to its end, but the connection breaks before the answer |
 * | `die` | the connection breaks after `bytes` in either direction |
 */
export type HostFaultMode =
  | { readonly mode: 'refused' }
  | { readonly mode: 'down'; readonly seconds?: number }
  | { readonly mode: 'hang'; readonly seconds?: number }
  | { readonly mode: 'slow'; readonly seconds: number }
  | { readonly mode: 'fail'; readonly code: number }
  | { readonly mode: 'lost' }
  | { readonly mode: 'die'; readonly bytes: number };

export type HostFault = HostFaultMode & {
  /** Matching calls that pass before the first that fails; default 0. */
  readonly skip?: number;
  /** How many calls fail; default 0: all. */
  readonly times?: number;
  /** Only commands that contain this text. No tabs or line breaks. */
  readonly match?: string;
};

export const hostFaultModes = ['refused', 'down', 'hang', 'slow', 'fail', 'lost', 'die'] as const;

function argumentOf(fault: HostFault): number {
  switch (fault.mode) {
    case 'down':
      return fault.seconds ?? 3600;
    case 'hang':
      return fault.seconds ?? 86_400;
    case 'slow':
      return fault.seconds;
    case 'fail':
      return fault.code;
    case 'die':
      return fault.bytes;
    default:
      return 0;
  }
}

/** Replaces the fault rules of a host; the first that matches a call is applied. An empty list mends it. */
export function setHostFaults(dir: string, host: string, faults: readonly HostFault[]): void {
  const path = hostPath(dir, host, 'fault');
  if (faults.length === 0) {
    rmSync(path, { force: true });
    return;
  }
  const lines = faults.map((fault) => {
    if (/[\t\n]/.test(fault.match ?? ''))
      throw new Error('a fault rule matches text within one line, without tabs');
    return `${[fault.mode, argumentOf(fault), fault.skip ?? 0, fault.times ?? 0, fault.match ?? ''].join('\t')}\n`;
  });
  writeFileSync(`${path}.next`, lines.join(''));
  renameSync(`${path}.next`, path);
}

/** For people: `refused`, `die 4096 (after 2 calls)`. Rules that are used up are gone. */
export function hostFaults(dir: string, host: string): string[] {
  const path = hostPath(dir, host, 'fault');
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [mode = '', argument = '0', skip = '0', times = '0', match = ''] = line.split('\t');
      return [
        mode,
        ...(argument === '0' ? [] : [argument]),
        ...(skip === '0' ? [] : [`after ${skip} calls`]),
        ...(times === '0' ? [] : [`${times} times`]),
        ...(match === '' ? [] : [`for commands with “${match}”`]),
      ].join(' ');
    });
}
