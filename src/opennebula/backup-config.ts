import { incomplete } from './fields.ts';
import type { Vm } from './one.ts';

/** BACKUP_CONFIG of a VM, as far as a TM driver has to do with it (backup contract B2). */
export interface BackupConfig {
  readonly mode: 'FULL' | 'INCREMENT';
  readonly freeze: 'NONE' | 'AGENT' | 'SUSPEND';
  /** Another program fetches the data from the host (OneBEX). */
  readonly interactive: boolean;
  /** Number of the last increment that OpenNebula has recorded; -1: the next backup begins a chain. */
  readonly lastIncrement: number;
  /** Host on which the backup datastore looks for the files; absent: the VM's. */
  readonly bridge?: string;
}

const hostName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Throws ONE_INCOMPLETE for what cannot be understood: whether a chain goes on is never guessed. */
export function readBackupConfig(vm: Pick<Vm, 'id' | 'backup'>): BackupConfig {
  const value = (name: string): string => (vm.backup[name] ?? '').trim();
  const refuse = (name: string): never => {
    throw incomplete(`VM ${vm.id}`, `BACKUP_CONFIG/${name} is “${value(name)}”`);
  };
  const mode = (value('MODE') || 'FULL').toUpperCase();
  if (mode !== 'FULL' && mode !== 'INCREMENT') return refuse('MODE');
  const last = value('LAST_INCREMENT_ID') || '-1';
  if (!/^(-1|\d{1,9})$/.test(last)) return refuse('LAST_INCREMENT_ID');
  const bridge = value('LAST_BRIDGE');
  if (bridge !== '' && !hostName.test(bridge)) return refuse('LAST_BRIDGE');
  return {
    mode,
    freeze: freezeOf(value('FS_FREEZE')),
    interactive: /^(yes|true|1)$/i.test(value('INTERACTIVE')),
    lastIncrement: Number(last),
    ...(bridge === '' ? {} : { bridge }),
  };
}

/** An unknown word is NONE, as in OpenNebula's own drivers. */
function freezeOf(word: string): BackupConfig['freeze'] {
  const upper = word.toUpperCase();
  return upper === 'AGENT' || upper === 'SUSPEND' ? upper : 'NONE';
}
