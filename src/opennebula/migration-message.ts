import type { Call } from '../call.ts';
import { encodeBase64, xmlOfMessage } from './base64.ts';
import { badMessage, idArgument } from './message.ts';
import type { Vm } from './one.ts';
import { normalPath } from './paths.ts';
import { readVm } from './vm-document.ts';
import { parseXml } from './xml.ts';

/** `premigrate`, `postmigrate`, `failmigrate` (contract §5.4). All three have the hosts in the same order. */
export interface MigrationMessage {
  readonly sourceHost: string;
  readonly destinationHost: string;
  /** VM directory on the destination. */
  readonly directory: string;
  readonly vmId: number;
  /** System datastore on the destination. */
  readonly datastoreId: number;
  /** TM of the system datastore that called us for our disks only; absent when ours is that TM. */
  readonly marker?: string;
  readonly vm: Vm;
  /** One line of base64, to pass on to other TMs. */
  readonly encoded: string;
  /** Which of the two shapes it was: a call passed on keeps it. */
  readonly shape: 'arguments' | 'stdin';
}

/**
 * Up to 5.8 the VM is the 6th argument and the marker the 7th; since 5.10 the VM is on stdin and the marker is the
 * 6th. Told apart by what the 6th argument is. Throws BAD_MESSAGE.
 */
export async function readMigrationMessage(call: Call): Promise<MigrationMessage> {
  const [sourceHost, destinationHost, directory, vmId, datastoreId, sixth, seventh] = call.argv;
  if (!sourceHost || !destinationHost || !directory) throw badMessage(call, 'hosts or directory are missing');
  const inArguments = sixth !== undefined && isDocument(sixth);
  const encoded = inArguments ? sixth : await call.stdin();
  const marker = inArguments ? seventh : sixth;
  if (encoded.trim() === '')
    throw badMessage(call, 'the VM is neither in the arguments nor on the standard input');
  const xml = xmlOfMessage(encoded, `message of ${call.kind}/${call.name}`);
  const vm = readVm(parseXml(xml, 'VM'), xml);
  const id = idArgument(call, vmId, 'VM id');
  if (vm.id !== id) throw badMessage(call, `it is about VM ${vm.id}, but the argument says ${id}`);
  return {
    sourceHost,
    destinationHost,
    directory: normalPath(directory),
    vmId: id,
    datastoreId: idArgument(call, datastoreId, 'datastore id'),
    ...(marker ? { marker } : {}),
    vm,
    encoded: encodeBase64(xml),
    shape: inArguments ? 'arguments' : 'stdin',
  };
}

/** oned migrates within one host too, to another system datastore: for a live migration there is nothing to do then. */
export const isSameHost = (message: Pick<MigrationMessage, 'sourceHost' | 'destinationHost'>): boolean =>
  message.sourceHost.toLowerCase() === message.destinationHost.toLowerCase();

/** `ceph` is valid base64, but not of a document. */
function isDocument(argument: string): boolean {
  const text = argument.trim();
  return (
    text.startsWith('<') ||
    Buffer.from(text.slice(0, 64), 'base64').toString('latin1').trimStart().startsWith('<')
  );
}
