import type { Linstor } from '../../linstor/linstor.ts';
import { parseVm } from '../../opennebula/documents.ts';
import type { Vm } from '../../opennebula/one.ts';
import { diskIdOf } from '../../opennebula/paths.ts';
import { factsOf } from './facts.ts';
import { linkAfter, postconditionsOf, unmet } from './postconditions.ts';
import { type DocumentFacts, establish, preconditionsOf } from './preconditions.ts';
import type { RecordedCall } from './recording.ts';
import { type Places, type RewrittenCall, rewriteCall, rewriteText } from './rewrite.ts';
import { complaint, type DriverOutcome } from './verdict.ts';
import { vmDuring } from './vm-text.ts';
import type { World } from './world.ts';

/** The lab, as far as recorded calls need it. */
export interface CallsLab {
  readonly places: Places;
  readonly linstor: Linstor;
  /** What oned answers from now on, by `method id`. */
  show(documents: ReadonlyMap<string, string>): void;
  /** Whether there is a link at that path of the host. */
  hasLink(host: string, path: string): boolean;
  /** Calls the binary by the name that OpenNebula would use. */
  run(call: RewrittenCall): Promise<DriverOutcome>;
}

export interface CallResult {
  readonly seq: number;
  readonly call: string;
  readonly ms: number;
  /** Absent when the outcome is as recorded. */
  readonly complaint?: string;
}

export async function replayCall(recorded: RecordedCall, world: World, lab: CallsLab): Promise<CallResult> {
  const started = performance.now();
  const call = rewriteCall(recorded, world, lab.places);
  const document = recorded.document === undefined ? '' : rewriteText(recorded.document, world, lab.places);
  const vm = vmOf(recorded, world, lab.places);
  lab.show(documentsDuring(world, lab.places, vm));
  const wrong = await carryOut(
    recorded,
    call,
    lab,
    factsOf(document),
    vm === undefined ? undefined : parseVm(vm),
  );
  return {
    seq: recorded.seq,
    call: `${recorded.kind}/${recorded.file}`,
    ms: Math.round(performance.now() - started),
    ...(wrong === undefined ? {} : { complaint: wrong }),
  };
}

/** What is wrong with the call's outcome or with what it left. */
async function carryOut(
  recorded: RecordedCall,
  call: RewrittenCall,
  lab: CallsLab,
  facts: DocumentFacts,
  vm: Vm | undefined,
): Promise<string | undefined> {
  const before = preconditionsOf(call, facts, vm);
  try {
    await establish(lab.linstor, before);
  } catch (error) {
    return `the lab could not be prepared: ${error instanceof Error ? error.message : String(error)}`;
  }
  const outcome = await lab.run(call);
  const wrong = complaint(recorded, outcome);
  if (wrong !== undefined || outcome.exitCode !== 0) return wrong;
  const made = { sizeMib: facts.sizeMib ?? madeSize(call, vm), saveAs: facts.saveAs ?? false };
  const link = linkAfter(call, lab.places.frontend);
  if (link && lab.hasLink(link.host, link.path) !== link.present)
    return `${link.path} is ${link.present ? 'missing' : 'still'} on ${link.host}`;
  return unmet(lab.linstor, postconditionsOf(call, before, made));
}

/** MiB of the disk that the call is about; of a snapshot the disk's size says nothing: the disk may have grown since. */
function madeSize(call: RewrittenCall, vm: Vm | undefined): number {
  if (call.action === 'cpds' && Number(call.argv[2]) >= 0) return 1;
  const target = call.argv.map(diskIdOf).find((id) => id !== undefined);
  return vm?.disks.find((disk) => disk.id === target)?.sizeMib ?? 1;
}

/** The VM of a tm call: as recorded on stdin, or made of what the recording tells of it. */
function vmOf(call: RecordedCall, world: World, places: Places): string | undefined {
  if (call.kind !== 'tm' || call.action === 'monitor') return undefined;
  if (call.document?.startsWith('<VM>')) return rewriteText(call.document, world, places);
  const id = Number(call.action === 'restore' ? call.argv[1] : call.argv.at(-2));
  return rewriteText(vmDuring(call, world, id), world, places);
}

function documentsDuring(world: World, places: Places, vm: string | undefined): Map<string, string> {
  const documents = new Map<string, string>();
  const hosts = [...world.hosts].map(
    (name, index) => `<HOST><ID>${index}</ID><NAME>${name}</NAME><STATE>2</STATE></HOST>`,
  );
  const datastores = [...world.datastores].map(
    ([id, element]) => [id, rewriteText(element.serialize(), world, places)] as const,
  );
  for (const [id, text] of datastores) documents.set(`one.datastore.info ${id}`, text);
  documents.set('one.hostpool.info', `<HOST_POOL>${hosts.join('')}</HOST_POOL>`);
  documents.set(
    'one.datastorepool.info',
    `<DATASTORE_POOL>${datastores.map(([, text]) => text).join('')}</DATASTORE_POOL>`,
  );
  documents.set('one.vmpool.infoextended', `<VM_POOL>${vm ?? ''}</VM_POOL>`);
  documents.set('one.imagepool.info', '<IMAGE_POOL/>');
  if (vm !== undefined) documents.set(`one.vm.info ${parseVm(vm).id}`, vm);
  return documents;
}
