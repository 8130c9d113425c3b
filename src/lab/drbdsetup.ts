import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernelOptions, kernelStatus, kernelText } from './linstor/model/kernel.ts';
import type { ClusterState } from './linstor/model/state.ts';

export interface Said {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * `drbdsetup` of a host of the lab: what the kernel there knows. It reads the lab's state from disk and asks no controller, as a kernel
 * does not.
 */
export function runDrbdsetup(argv: readonly string[], linstorDir: string, host: string): Said {
  const state = JSON.parse(readFileSync(join(linstorDir, 'state.json'), 'utf8')) as ClusterState;
  const json = argv.includes('--json');
  const [command] = argv;
  const said = (value: unknown): Said => ({ exit: 0, stdout: `${JSON.stringify(value)}\n`, stderr: '' });
  if (command === 'status' && json) return said(kernelStatus(state, host));
  if (command === 'show' && json) return said(kernelOptions(state, host));
  if (command === 'status') return { exit: 0, stdout: kernelText(state, host), stderr: '' };
  return {
    exit: 1,
    stdout: '',
    stderr: `drbdsetup of a lab knows status and show, not “${command ?? ''}”\n`,
  };
}
