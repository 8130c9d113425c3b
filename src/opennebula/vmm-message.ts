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

/** `snapshot_{create,revert,delete}_linstor_un` (contract §5.9). */
export interface SystemSnapshotMessage {
  readonly deployId: string;
  /** The snapshot's id when it is made, afterwards what the driver has answered then. */
  readonly word: string;
  readonly host: string;
  readonly vmId: number;
  readonly vm: Vm;
  /** The system datastore. */
  readonly datastore: Datastore;
  /** `<vmdir>` on the host; the message has no path, but the datastore's. */
  readonly directory: string;
  /** The decoded document, for the stock scripts. */
  readonly xml: string;
}

/** deploy id, snapshot, VM, host. Throws BAD_MESSAGE. */
export async function readSystemSnapshotMessage(call: Call): Promise<SystemSnapshotMessage> {
  const [deployId, word, vmId, host] = call.argv;
  if (!deployId || !word || !host) throw badMessage(call, 'deploy id, snapshot or host are missing');
  const { xml, vm, datastore } = await readDocument(call, idArgument(call, vmId, 'VM id'));
  const directory = normalPath(`${datastore.basePath}/${vm.id}`);
  if (!directory.startsWith('/')) throw badMessage(call, 'the system datastore has no BASE_PATH');
  return { deployId, word, host, vmId: vm.id, vm, datastore, directory, xml };
}

/** Throws BAD_MESSAGE. `save`: deploy id, checkpoint, host, …; `restore`: checkpoint, host, deploy id, … */
export async function readCheckpointMessage(call: Call): Promise<CheckpointMessage> {
  const isSave = call.name.startsWith('save');
  const [first, second, third, vmId] = call.argv;
  const [deployId, checkpoint, host] = isSave ? [first, second, third] : [third, first, second];
  if (!deployId || !checkpoint?.startsWith('/') || !host) {
    throw badMessage(call, 'deploy id, checkpoint or host are missing');
  }
  const id = idArgument(call, vmId, 'VM id');
  const document = await readDocument(call, id);
  return {
    deployId,
    checkpoint: normalPath(checkpoint),
    host,
    vmId: id,
    ...document,
  };
}

/** The VM must be the one of the arguments: names are made of its id. */
async function readDocument(
  call: Call,
  vmId: number,
): Promise<{ readonly xml: string; readonly vm: Vm; readonly datastore: Datastore }> {
  const encoded = await call.stdin();
  if (encoded.trim() === '') throw badMessage(call, 'the standard input is empty');
  const xml = xmlOfMessage(encoded, `message of ${call.kind}/${call.name}`);
  const document = parseXml(xml, 'VMM_DRIVER_ACTION_DATA');
  const vm = document.first('VM');
  const datastore = document.first('DATASTORE');
  if (!vm || !datastore) throw badMessage(call, `it has no ${vm ? 'DATASTORE' : 'VM'} element`);
  const read = readVm(vm);
  if (read.id !== vmId) throw badMessage(call, `it is about VM ${read.id}, but the argument says ${vmId}`);
  return { xml, vm: read, datastore: readDatastore(datastore) };
}
