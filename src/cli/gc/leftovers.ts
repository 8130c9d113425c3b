import type { Resource, ResourceDefinition, Snapshot } from '../../linstor/linstor.ts';
import { heldKey, lostKey, readEntries } from '../../linstor/locks/entries.ts';
import { type NodeName, type ResourceName, resourceName } from '../../linstor/names.ts';
import { parseNote } from '../../move/note.ts';
import type { Vm } from '../../opennebula/one.ts';
import { inLcm, vmState } from '../../opennebula/states.ts';
import { isBase, isSuperseded } from '../../volumes/base.ts';
import { staleCopies } from '../../volumes/copies.ts';
import { type KeptPart, keptParts } from '../../volumes/kept-parts.ts';
import { isLeftOpen } from '../../volumes/left-window.ts';
import { madeAtMark, marks } from '../../volumes/marks.ts';
import { parseResource, properName } from '../../volumes/names.ts';
import { isDiskful, isDiskless, isTieBreaker, sameName } from '../../volumes/replicas.ts';
import { dualPrimaryProperty } from '../../volumes/two-primaries.ts';
import { Index, type Inventory } from '../inventory.ts';
import { ofSharedVolume } from './snapshot-leftovers.ts';
import { ofTrash, TrashIndex } from './trash-leftovers.ts';

/**
 * What is left over in LINSTOR, and how sure that is. Several OpenNebulas may share a LINSTOR and count their VMs alike,
 * so a name alone proves nothing: `proven` needs a fact that only this OpenNebula and this driver can have left.
 */
export interface Leftover {
  readonly kind:
    | 'disk'
    | 'checkpoint'
    | 'memory'
    | 'image'
    | 'scratch'
    | 'snapshot'
    | 'replica'
    | 'note'
    | 'kept'
    | 'trash'
    | 'trash-note'
    | 'lock'
    | 'move-note'
    | 'deleting'
    | 'window';
  readonly resource: ResourceName;
  readonly snapshot?: string;
  readonly node?: NodeName;
  /** In the store of locks. */
  readonly entry?: string;
  readonly proof: 'proven' | 'unproven';
  readonly why: string;
  /** Why it is not certain, or what has to be done by hand. */
  readonly doubt?: string;
  readonly bytes: number;
}

export function findLeftovers(inventory: Inventory): Leftover[] {
  const index = new Index(inventory);
  const trash = new TrashIndex(inventory);
  const kept = (name: string): boolean => trash.has(name);
  return [
    ...inventory.definitions.flatMap((item) => ofWindow(inventory, index, item)),
    ...inventory.definitions.flatMap((item) => (kept(item.name) ? [] : ofDefinition(inventory, index, item))),
    ...inventory.snapshots.flatMap((item) => (kept(item.resource) ? [] : ofSnapshot(inventory, index, item))),
    ...ofTrash(inventory, index, trash),
    ...inventory.resources.flatMap((item) => ofReplica(inventory, index, item)),
    ...keptParts(inventory.kept ?? {}).flatMap((part) => ofKeptPart(inventory, index, part)),
    ...staleCopies(inventory.copies ?? {}, inventory.definitions).map((resource) => ({
      kind: 'note' as const,
      resource,
      bytes: 0,
      proof: 'proven' as const,
      why: 'note of a copy that is gone',
    })),
    ...staleRestores(inventory).map((resource) => ({
      kind: 'note' as const,
      resource,
      bytes: 0,
      proof: 'proven' as const,
      why: 'note of a restore of a disk that is gone',
    })),
    ...ofLocks(inventory),
    ...Object.entries(inventory.moves ?? {})
      .filter(
        ([key, text]) => parseNote(text) && !inventory.definitions.some(({ name }) => sameName(name, key)),
      )
      .map(([key]) => ({
        kind: 'move-note' as const,
        resource: resourceName(key),
        bytes: 0,
        proof: 'proven' as const,
        why: 'note of the move of a volume that is gone',
      })),
  ];
}

/** What a front-end has left that died, or was taken for dead: whoever locks the same thing passes it over, but nobody may come. */
function ofLocks({ locks = {}, now, olderThanMs }: Inventory): Leftover[] {
  const { held, lost } = readEntries(locks);
  const leftover = (lock: string, entry: string, why: string): Leftover => ({
    kind: 'lock',
    resource: resourceName(lock),
    entry,
    bytes: 0,
    proof: 'proven',
    why,
  });
  return [
    ...held
      .filter((entry) => now - entry.seen >= olderThanMs)
      .map((entry) =>
        leftover(
          entry.lock,
          heldKey(entry),
          `no sign of life of front-end ${entry.host} for ${days(now - entry.seen)}`,
        ),
      ),
    ...lost
      .filter((entry) => now - entry.at >= olderThanMs)
      .map((entry) => leftover(entry.lock, lostKey(entry), `taken over by front-end ${entry.by} long ago`)),
  ];
}

/** What LINSTOR has forgotten and a satellite has kept. */
function ofKeptPart(inventory: Inventory, index: Index, part: KeptPart): Leftover[] {
  const { resource, snapshot, node } = part;
  if (!parseResource(inventory.prefix, resource)) return [];
  const base = { kind: 'kept', resource, snapshot, node, bytes: 0 } as const;
  const why = 'a deleted snapshot of which the node, then away, has kept its part';
  if (index.definitions.get(resource.toLowerCase())?.flags.includes('DELETE')) return [];
  const status = inventory.nodes.find((each) => sameName(each.name, node))?.status;
  if (status === 'ONLINE') return [{ ...base, proof: 'proven', why }];
  return [{ ...base, proof: 'unproven', why, doubt: `waits for ${node} (${status ?? 'not in LINSTOR'})` }];
}

/** A note of a copy of the same name takes them along. */
function staleRestores({ restores, copies = {}, definitions }: Inventory): ResourceName[] {
  return Object.keys(restores ?? {})
    .filter((key) => !(key in copies) && !definitions.some(({ name }) => sameName(name, key)))
    .map(resourceName);
}

function ofDefinition(inventory: Inventory, index: Index, definition: ResourceDefinition): Leftover[] {
  const { name } = definition;
  const parsed = parseResource(inventory.prefix, name);
  if (!parsed) return oldScratch(inventory, index, name);
  if (definition.flags.includes('DELETE')) return [deleting(index, name, undefined)];
  // An image may be made of any volume: what was in the trash, what was adopted.
  if (index.imageResources.has(name.toLowerCase())) return [];
  const base = { resource: name, bytes: allocated(index.replicasOf(name)) };
  switch (parsed.kind) {
    case 'scratch':
      return ofScratch(inventory, index, base, definition);
    case 'image':
      if (index.imageIds.has(parsed.imageId as number)) return [];
      return [
        {
          ...base,
          kind: 'image',
          proof: 'unproven',
          why: `OpenNebula has no image ${parsed.imageId}`,
          doubt: 'another OpenNebula on this LINSTOR may have it',
        },
      ];
    case 'checkpoint':
      return ofCheckpoint(inventory, index, definition, base, parsed.vmId as number);
    case 'memory':
      return ofMemory(inventory, index, base, parsed.vmId as number, parsed.snapshotId as number);
    case 'disk':
      return ofDisk(inventory, index, definition, base, parsed.vmId as number, parsed.diskId as number);
  }
}

/** A live migration whose end never came through. */
function ofWindow(inventory: Inventory, index: Index, definition: ResourceDefinition): Leftover[] {
  const { name } = definition;
  if (!parseResource(inventory.prefix, name)) return [];
  const holders = index.holdersOf(name).flatMap(({ vm, diskId }) => {
    const disk = vm.disks.find((each) => each.id === diskId);
    return disk ? [{ vm, disk }] : [];
  });
  if (!isLeftOpen(definition, holders)) return [];
  const why = 'two nodes may open it for writing, and no live migration is running';
  const open = index.replicasOf(name).filter((replica) => replica.inUse);
  if (open.length < 2) return [{ kind: 'window', resource: name, bytes: 0, proof: 'proven', why }];
  const doubt = `some process holds it open on each of ${open.map((replica) => replica.node).join(', ')}`;
  return [{ kind: 'window', resource: name, bytes: 0, proof: 'unproven', why, doubt }];
}

type Base = { readonly resource: ResourceName; readonly bytes: number };

function ofDisk(
  inventory: Inventory,
  index: Index,
  definition: ResourceDefinition,
  base: Base,
  vmId: number,
  diskId: number,
): Leftover[] {
  const alive = index.vms.get(vmId);
  if (alive) {
    if (alive.disks.some((disk) => disk.id === diskId)) return [];
    return [
      {
        ...base,
        kind: 'disk',
        proof: 'unproven',
        why: `VM ${vmId} has no disk ${diskId}`,
        doubt: 'the VM lives: a disk may just be coming or going',
      },
    ];
  }
  const past = inventory.past.get(vmId);
  if (!past)
    return [
      {
        ...base,
        kind: 'disk',
        proof: 'unproven',
        why: `OpenNebula does not know VM ${vmId}`,
        doubt: 'another OpenNebula on this LINSTOR may have it',
      },
    ];
  if (past.state !== vmState.DONE) return [];
  const why = `VM ${vmId} is done`;
  if (index.inUse(base.resource))
    return [{ ...base, kind: 'disk', proof: 'unproven', why, doubt: 'some process holds it open' }];
  const deployment = definition.props[marks.deployment];
  const mine = past.history.some((item) => `${item.seq}-${item.stime}` === deployment);
  if (mine && definition.props[marks.vmId] === String(vmId))
    return [{ ...base, kind: 'disk', proof: 'proven', why }];
  return [
    {
      ...base,
      kind: 'disk',
      proof: 'unproven',
      why,
      doubt:
        deployment === undefined
          ? 'it has no mark of its deployment (made by the bash driver?)'
          : 'it was made for another deployment',
    },
  ];
}

function ofCheckpoint(
  inventory: Inventory,
  index: Index,
  definition: ResourceDefinition,
  base: Base,
  vmId: number,
): Leftover[] {
  const alive = index.vms.get(vmId);
  if (alive) return ofResumed(inventory, index, definition, base, alive);
  const past = inventory.past.get(vmId);
  if (past && past.state !== vmState.DONE) return [];
  const why = past ? `VM ${vmId} is done` : `OpenNebula does not know VM ${vmId}`;
  return [
    {
      ...base,
      kind: 'checkpoint',
      proof: 'unproven',
      why,
      doubt: 'checkpoints have no mark of their deployment',
    },
  ];
}

/** The memory of a snapshot that OpenNebula has no more. The snapshot's disks tell whose it was; this volume has no mark of a deployment. */
function ofMemory(inventory: Inventory, index: Index, base: Base, vmId: number, id: number): Leftover[] {
  const vm = index.vms.get(vmId) ?? inventory.past.get(vmId);
  const doubt = 'memory of a snapshot has no mark of its deployment';
  const found = (why: string): Leftover[] => [{ ...base, kind: 'memory', proof: 'unproven', why, doubt }];
  if (!vm) return found(`OpenNebula does not know VM ${vmId}`);
  if (vm.state === vmState.DONE) return found(`VM ${vmId} is done`);
  return vm.systemSnapshots.some((each) => each.id === id) ? [] : found(`VM ${vmId} has no snapshot ${id}`);
}

/** A VM that runs has read its memory back; resuming does not wait for the volume to go. */
function ofResumed(
  inventory: Inventory,
  index: Index,
  { props }: ResourceDefinition,
  base: Base,
  vm: Vm,
): Leftover[] {
  const runs = vm.state === vmState.ACTIVE && inLcm(vm.lcmState, 'RUNNING');
  const age = ageOf(inventory, index.replicasOf(base.resource));
  if (!runs || age === undefined || age < inventory.olderThanMs || index.inUse(base.resource)) return [];
  const why = `VM ${vm.id} runs again`;
  const mine = vm.history.some((item) => `${item.seq}-${item.stime}` === props[marks.deployment]);
  return [
    mine
      ? { ...base, kind: 'checkpoint', proof: 'proven', why }
      : {
          ...base,
          kind: 'checkpoint',
          proof: 'unproven',
          why,
          doubt: 'it has no mark of a deployment of this VM',
        },
  ];
}

/** No action runs that long. */
const surelyOverMs = 24 * 3_600_000;

function ofScratch(
  inventory: Inventory,
  index: Index,
  base: Base,
  { name, props }: ResourceDefinition,
): Leftover[] {
  const why = 'temporary resource of an action';
  const replicas = index.replicasOf(base.resource);
  const defined = Number(props[madeAtMark(name)] || Number.NaN);
  const age =
    ageOf(inventory, replicas) ??
    (replicas.length === 0 && Number.isFinite(defined) ? inventory.now - defined : undefined);
  if (age === undefined)
    return [{ ...base, kind: 'scratch', proof: 'unproven', why, doubt: 'its age is unknown' }];
  if (age < inventory.olderThanMs) return [];
  if (index.inUse(base.resource))
    return [{ ...base, kind: 'scratch', proof: 'unproven', why, doubt: 'some process holds it open' }];
  // Plain storage does not tell who has it open: only the age does then.
  const unused = replicas.every((replica) => replica.inUse === false);
  if (!unused && age < surelyOverMs)
    return [{ ...base, kind: 'scratch', proof: 'unproven', why, doubt: 'an action may still use it' }];
  return [{ ...base, kind: 'scratch', proof: 'proven', why: `${why}, ${days(age)} old` }];
}

/** `<res>-tmp` of the bash driver (contract §9.1, 10). */
function oldScratch(inventory: Inventory, index: Index, name: ResourceName): Leftover[] {
  const origin = name.endsWith('-tmp') ? parseResource(inventory.prefix, name.slice(0, -4)) : undefined;
  if (!origin) return [];
  return [
    {
      kind: 'scratch',
      resource: name,
      bytes: allocated(index.replicasOf(name)),
      proof: 'unproven',
      why: 'temporary resource of the bash driver',
      doubt: 'it has no mark',
    },
  ];
}

function ofSnapshot(inventory: Inventory, index: Index, snapshot: Snapshot): Leftover[] {
  const parsed = parseResource(inventory.prefix, snapshot.resource);
  if (!parsed || index.definitions.get(snapshot.resource.toLowerCase())?.flags.includes('DELETE')) return [];
  const base = { kind: 'snapshot', resource: snapshot.resource, snapshot: snapshot.name, bytes: 0 } as const;
  if (snapshot.flags.includes('DELETE')) return [];
  const known = isKnown(index, snapshot.resource, parsed);
  const proof = known ? 'proven' : 'unproven';
  const doubt = known ? {} : { doubt: 'OpenNebula does not know its resource' };
  const age = snapshot.createdAt === undefined ? undefined : inventory.now - snapshot.createdAt;
  const old = age !== undefined && age >= inventory.olderThanMs;
  if (snapshot.flags.some((flag) => flag.startsWith('FAILED')) && old)
    return [{ ...base, proof, why: 'the snapshot failed', ...doubt }];
  if (/^saveas-[0-9a-f]{8}$/.test(snapshot.name) && old)
    return [{ ...base, proof, why: 'temporary snapshot of a disk that was saved', ...doubt }];
  if (/^one-export-[0-9a-f]{8}$/.test(snapshot.name))
    return old ? [{ ...base, proof, why: 'temporary snapshot of an export', ...doubt }] : [];
  if (isBase(snapshot)) {
    const gone = old && isSuperseded(snapshot, inventory.snapshots, index.replicasOf(snapshot.resource));
    return gone ? [{ ...base, proof, why: 'no longer used for clones', ...doubt }] : [];
  }
  const shared = ofSharedVolume(inventory, index, snapshot);
  if (shared.length > 0) return shared;
  return ofHelper(inventory, index, base, snapshot.name, known);
}

/** Named like the disk that was cloned from it; stays on ZFS before LINSTOR 1.31 while that disk lives. */
function ofHelper(
  inventory: Inventory,
  index: Index,
  base: { kind: 'snapshot'; resource: ResourceName; snapshot: string; bytes: number },
  name: string,
  known: boolean,
): Leftover[] {
  const target = parseResource(inventory.prefix, name);
  if (
    target?.kind !== 'disk' ||
    index.definitions.has(name.toLowerCase()) ||
    index.vms.has(target.vmId as number)
  )
    return [];
  const past = inventory.past.get(target.vmId as number);
  if (past && past.state !== vmState.DONE) return [];
  const why = past
    ? `helper snapshot of a clone; VM ${target.vmId} is done`
    : `helper snapshot of a clone; OpenNebula does not know VM ${target.vmId}`;
  if (known && past) return [{ ...base, proof: 'proven', why }];
  return [{ ...base, proof: 'unproven', why, doubt: 'another OpenNebula on this LINSTOR may use it' }];
}

/** Does this OpenNebula have the object that the resource stands for? */
function isKnown(index: Index, name: string, parsed: NonNullable<ReturnType<typeof parseResource>>): boolean {
  if (index.imageResources.has(name.toLowerCase())) return true;
  if (parsed.kind === 'image') return false;
  return parsed.vmId !== undefined && index.vms.has(parsed.vmId);
}

/** Diskless replicas on bridge hosts that were not taken away (contract §9.1, 5). */
function ofReplica(inventory: Inventory, index: Index, replica: Resource): Leftover[] {
  const parsed = parseResource(inventory.prefix, replica.name);
  const definition = index.definitions.get(replica.name.toLowerCase());
  if (!parsed || !definition || definition.flags.includes('DELETE')) return [];
  if (replica.flags.includes('DELETE') || replica.flags.includes('DRBD_DELETE'))
    return [deleting(index, replica.name, replica.node)];
  if (!isDiskless(replica) || isTieBreaker(replica) || !isKnown(index, replica.name, parsed)) return [];
  if (index.users.get(properName(replica.name).toLowerCase())?.has(replica.node.toLowerCase())) return [];
  const base = { kind: 'replica', resource: replica.name, node: replica.node, bytes: 0 } as const;
  const why = 'attached without a VM there';
  const age = replica.createdAt === undefined ? undefined : inventory.now - replica.createdAt;
  if (age !== undefined && age < inventory.olderThanMs) return [];
  if (age === undefined || replica.inUse !== false || !replica.stateKnown)
    return [
      {
        ...base,
        proof: 'unproven',
        why,
        doubt: replica.inUse ? 'some process holds it open' : 'whether it is in use is unknown',
      },
    ];
  return [{ ...base, proof: 'proven', why }];
}

function deleting(index: Index, resource: ResourceName, node: NodeName | undefined): Leftover {
  const away = index
    .replicasOf(resource)
    .filter((replica) => !replica.stateKnown)
    .map((replica) => replica.node);
  return {
    kind: 'deleting',
    resource,
    ...(node === undefined ? {} : { node }),
    bytes: 0,
    proof: 'unproven',
    why: 'LINSTOR is deleting it',
    doubt:
      away.length > 0
        ? `waits for ${away.join(', ')}`
        : 'see linstor node list and linstor error-reports list',
  };
}

export function allocated(replicas: readonly Resource[]): number {
  return (
    replicas
      .filter(isDiskful)
      .reduce(
        (sum, replica) => sum + replica.volumes.reduce((all, volume) => all + (volume.allocatedKib ?? 0), 0),
        0,
      ) * 1024
  );
}

function ageOf({ now }: Inventory, replicas: readonly Resource[]): number | undefined {
  const times = replicas.flatMap((replica) => replica.createdAt ?? []);
  return times.length === 0 ? undefined : now - Math.max(...times);
}

export const days = (ms: number): string =>
  ms < 2 * 86_400_000 ? `${Math.floor(ms / 3_600_000)} h` : `${Math.floor(ms / 86_400_000)} days`;

/** The same leftover in another look at the cluster. */
export function sameLeftover(left: Leftover, right: Leftover): boolean {
  return (
    left.kind === right.kind &&
    sameName(left.resource, right.resource) &&
    left.snapshot === right.snapshot &&
    left.node === right.node &&
    left.entry === right.entry
  );
}

/** How one would remove it by hand. */
export function commandFor({ kind, resource, snapshot, node }: Leftover): string {
  if (kind === 'snapshot') return `linstor snapshot delete ${resource} ${snapshot}`;
  if (kind === 'replica') return `linstor resource delete ${node} ${resource}`;
  if (kind === 'window')
    return `linstor resource-definition set-property ${resource} ${dualPrimaryProperty} no`;
  if (kind === 'note' || kind === 'trash-note' || kind === 'kept' || kind === 'lock' || kind === 'move-note')
    return 'linstor_un gc --apply';
  if (kind === 'trash') return `linstor_un trash empty ${resource}`;
  if (kind === 'deleting') return `linstor resource list -r ${resource} --all`;
  return `linstor resource-definition delete ${resource}`;
}
