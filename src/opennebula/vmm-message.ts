import type { Call } from '../call.ts';
import { xmlOfMessage } from './base64.ts';
import { readDatastore } from './datastore-document.ts';
import { badMessage, idArgument } from './message.ts';
import type { Datastore, Vm } from './one.ts';
import { normalPath } from './paths.ts';
import { readVm } from './vm-document.ts';
import { parseXml } from './xml.ts';

/** `save_linstor_un` and `restore_linstor_un`: `<VMM_DRIVER_ACTION_DATA>` as base64 on stdin (contract §5.1). */
export interface CheckpointMessage {
  readonly deployId: string;
  /** `<vmdir>/checkpoint`; while a VM is saved to migrate, in the directory that it leaves. */
  readonly checkpoint: string;
  readonly host: string;
  readonly vmId: number;
  readonly vm: Vm;
  /** The system datastore; its TM decides whether the VM is ours. */
  readonly datastore: Datastore;
  /** The decoded document, for the stock scripts: they look for their own TM in it. */
  readonly xml: string;
}

/** Throws BAD_MESSAGE. `save`: deploy id, checkpoint, host, …; `restore`: checkpoint, host, deploy id, … */
export async function readCheckpointMessage(call: Call): Promise<CheckpointMessage> {
  const isSave = call.name.startsWith('save');
  const [first, second, third, vmId] = call.argv;
  const [deployId, checkpoint, host] = isSave ? [first, second, third] : [third, first, second];
  if (!deployId || !checkpoint?.startsWith('/') || !host) {
    throw badMessage(call, 'deploy id, checkpoint or host are missing');
  }
  const encoded = await call.stdin();
  if (encoded.trim() === '') throw badMessage(call, 'the standard input is empty');
  const xml = xmlOfMessage(encoded, `message of ${call.kind}/${call.name}`);
  const document = parseXml(xml, 'VMM_DRIVER_ACTION_DATA');
  const vm = document.first('VM');
  const datastore = document.first('DATASTORE');
  if (!vm || !datastore) throw badMessage(call, `it has no ${vm ? 'DATASTORE' : 'VM'} element`);
  const message: CheckpointMessage = {
    deployId,
    checkpoint: normalPath(checkpoint),
    host,
    vmId: idArgument(call, vmId, 'VM id'),
    vm: readVm(vm),
    datastore: readDatastore(datastore),
    xml,
  };
  if (message.vm.id !== message.vmId) {
    throw badMessage(call, `it is about VM ${message.vm.id}, but the argument says ${message.vmId}`);
  }
  return message;
}
