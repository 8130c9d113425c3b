import type { Call } from '../call.ts';
import { xmlOfMessage } from './base64.ts';
import { badMessage, idArgument } from './message.ts';
import type { Vm } from './one.ts';
import { hostPath } from './paths.ts';
import { readVm } from './vm-document.ts';
import { parseXml } from './xml.ts';

/** `prebackup`, `prebackup_live`, `postbackup`, `postbackup_live` (contract §3.2, §4.1). */
export interface BackupMessage {
  readonly host: string;
  readonly directory: string;
  readonly diskIds: readonly number[];
  /** Absent for a VM that never ran: the word vanishes on the way. */
  readonly deployId?: string;
  /** Absent for a backup outside a job (`-`), and in 6.6, which does not pass it. */
  readonly backupJobId?: number;
  readonly vmId: number;
  /** System datastore. */
  readonly datastoreId: number;
  readonly vm: Vm;
  /** The VM document as it came; `vm.xml` of the backup is made of it. */
  readonly xml: string;
}

/** Arguments are read from both ends: those in the middle may be missing. The VM is plain XML. Throws BAD_MESSAGE. */
export async function readBackupMessage(call: Call): Promise<BackupMessage> {
  const { argv } = call;
  const [target, disks] = argv;
  if (argv.length < 4 || argv.length > 6 || target === undefined || disks === undefined) {
    throw badMessage(call, `it has ${argv.length} arguments instead of 4 to 6`);
  }
  if (!/^\d+(:\d+)*:?$/.test(disks)) throw badMessage(call, `“${disks}” is not a list of disk ids`);
  const xml = xmlOfMessage(await call.stdin(), `message of ${call.kind}/${call.name}`);
  const vm = readVm(parseXml(xml, 'VM'), xml);
  const vmId = idArgument(call, argv.at(-2), 'VM id');
  if (vm.id !== vmId) throw badMessage(call, `it is about VM ${vm.id}, but the argument says ${vmId}`);
  const { host, path } = hostPath(target);
  return {
    host,
    directory: path,
    diskIds: disks.split(':').filter(Boolean).map(Number),
    ...middle(argv.slice(2, -2)),
    vmId,
    datastoreId: idArgument(call, argv.at(-1), 'datastore id'),
    vm,
    xml,
  };
}

/** `<deploy id> <job>`, or one of them: a job is `-` or a number, a deploy id neither. */
function middle(words: readonly string[]): Pick<BackupMessage, 'deployId' | 'backupJobId'> {
  const last = words.at(-1);
  const hasJob = last !== undefined && (last === '-' || /^\d+$/.test(last));
  const deployId = words.length === 2 || !hasJob ? words[0] : undefined;
  return {
    ...(deployId === undefined ? {} : { deployId }),
    ...(hasJob && last !== '-' ? { backupJobId: Number(last) } : {}),
  };
}
