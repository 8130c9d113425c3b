import type { LabDefinition, LayerKind } from '../model/definition.ts';
import { lowestFree, randomSecret } from '../model/drbd.ts';
import { findNode, isOnline } from '../model/node.ts';
import { findPool, type LabPool } from '../model/pool.ts';
import { isDeleting, isDiskless, isDrbd, type LabResource, type LabVolume } from '../model/resource.ts';
import { CREATED } from '../rest/codes.ts';
import type { Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { FIRST, noteInitialized } from './first-replica.ts';
import { pass } from './pass.ts';

export interface NewResource {
  readonly node: string;
  readonly pool: LabPool;
  readonly layers: readonly LayerKind[];
  readonly flags?: readonly string[];
  readonly props?: Readonly<Record<string, string>>;
}

/** Puts the resource into the controller's database; the satellites have not seen it yet. */
export function register(lab: Runtime, definition: LabDefinition, wanted: NewResource): LabResource {
  const resource: LabResource = {
    node: findNode(lab.state, wanted.node)?.name ?? wanted.node,
    uuid: crypto.randomUUID(),
    props: { ...wanted.props, StorPoolName: wanted.pool.name },
    flags: [...(wanted.flags ?? [])],
    layers: [...wanted.layers],
    volumes: definition.volumes.map((volume) => newVolume(volume.number, wanted.pool, volume.sizeKib)),
  };
  if (wanted.layers.includes('DRBD')) joinDrbd(lab, definition, resource);
  definition.resources.push(resource);
  definition.resources.sort((a, b) => (a.node.toUpperCase() < b.node.toUpperCase() ? -1 : 1));
  markVolumes(definition, wanted.pool, wanted.layers);
  return resource;
}

export function newVolume(number: number, pool: LabPool, sizeKib: number): LabVolume {
  const known = pool.provider === 'DISKLESS' ? { knownKib: sizeKib } : {};
  return {
    number,
    uuid: crypto.randomUUID(),
    pool: pool.name,
    provider: pool.provider,
    flags: [],
    made: false,
    ...known,
  };
}

function joinDrbd(lab: Runtime, definition: LabDefinition, resource: LabResource): void {
  definition.drbd ??= { secret: randomSecret(), peerSlots: definition.peerSlots ?? 7, transport: 'IP' };
  const others = definition.resources.flatMap((other) => (other.drbd ? [other.drbd.nodeId] : []));
  const ports = lab.state.definitions
    .flatMap((other) => other.resources)
    .flatMap((other) => (other.node === resource.node && other.drbd ? [other.drbd.port] : []));
  resource.drbd = {
    nodeId: lowestFree(others, 0),
    port: lowestFree(ports, 7000),
    initialized: true,
    inUse: false,
  };
  assignMinors(lab, definition);
}

/** Minor numbers are unique in the cluster. */
export function assignMinors(lab: Runtime, definition: LabDefinition): void {
  for (const volume of definition.volumes) {
    if (volume.minor !== undefined) continue;
    const taken = lab.state.definitions.flatMap((other) => other.volumes.flatMap((item) => item.minor ?? []));
    volume.minor = lowestFree(taken, 1000);
  }
}

/** Properties the controller leaves on volume definitions once they are placed. */
export function markVolumes(
  definition: LabDefinition,
  pool: LabPool,
  layers: readonly LayerKind[],
  blockSize = true,
): void {
  if (pool.provider === 'DISKLESS') return;
  for (const volume of definition.volumes) {
    volume.props['StorDriver/internal/AllocationGranularity'] ??= String(pool.granularityKib);
    if (blockSize) volume.props['DrbdOptions/Disk/block-size'] ??= '512';
    if (layers.includes('DRBD') && pool.provider === 'FILE_THIN') {
      volume.props['DrbdOptions/Disk/discard-zeroes-if-aligned'] ??= 'no';
      volume.props['DrbdOptions/Disk/rs-discard-granularity'] ??= '4096';
    }
  }
}

/** Lines for a resource that a caller asked for on a named node. */
export function announce(reply: Reply, definition: LabDefinition, resource: LabResource): void {
  const what = `Resource '${definition.name}' on node '${resource.node}'`;
  reply.add(CREATED, `New resource '${definition.name}' on node '${resource.node}' registered.`, {
    details: `${what} UUID is: ${resource.uuid}`,
    refs: { UUID: resource.uuid },
  });
  for (const volume of resource.volumes) {
    reply.add(
      CREATED,
      `Volume with number '${volume.number}' on resource '${definition.name}' on node '${resource.node}' successfully registered`,
      {
        object: 'volume',
        details: `Volume UUID is: ${volume.uuid}`,
        refs: { VlmNr: String(volume.number), Node: resource.node },
      },
    );
  }
}

export interface DeployOptions {
  /** Lines of the satellites and of the controller. */
  readonly reply: Reply;
  /** "ready" lines and "no volumes": other object or subject than the rest. */
  readonly ready: Reply;
  /** Content comes from a snapshot: DRBD has its generation already. */
  readonly restored?: boolean;
}

/** Makes registered resources real, tells their peers, waits until DRBD is connected. */
export async function deploy(
  lab: Runtime,
  definition: LabDefinition,
  fresh: readonly LabResource[],
  options: DeployOptions,
): Promise<void> {
  const { reply, ready } = options;
  const names = fresh.map((resource) => `'${resource.node}'`).join(', ');
  if (lab.tuning.syncSeconds > 0) startSync(lab, definition, fresh);
  await pass(lab, reply, definition, {
    message: (resource) =>
      fresh.includes(resource)
        ? `Created resource '${definition.name}' on '${resource.node}'`
        : `Added peer(s) ${names} to resource '${definition.name}' on '${resource.node}'`,
  });
  if (definition.volumes.length === 0) {
    ready.add(3000, `No volumes have been defined for resource '${definition.name}'`, {
      severity: 'warning',
      object: 'resource',
    });
    return;
  }
  announceReady(lab, definition, fresh, ready);
  await firstGeneration(lab, definition, fresh, options);
}

function startSync(lab: Runtime, definition: LabDefinition, fresh: readonly LabResource[]): void {
  const settled = definition.resources.some(
    (other) => !fresh.includes(other) && !isDiskless(other) && isDrbd(other),
  );
  if (!settled) return;
  for (const resource of fresh) {
    if (isDiskless(resource)) continue;
    for (const volume of resource.volumes) volume.syncedAt = lab.now() + lab.tuning.syncSeconds * 1000;
  }
}

function announceReady(
  lab: Runtime,
  definition: LabDefinition,
  fresh: readonly LabResource[],
  ready: Reply,
): void {
  for (const resource of fresh) {
    const peers = definition.resources.filter(
      (other) => other !== resource && isDrbd(other) && !isDeleting(other),
    );
    if (!isDrbd(resource) || peers.length === 0 || !isOnline(findNode(lab.state, resource.node))) continue;
    ready.add(CREATED, `Resource '${definition.name}' on '${resource.node}' ready`, { withSubject: true });
  }
}

/** The first replicas are declared UpToDate without a sync; the satellites are told once more. */
async function firstGeneration(
  lab: Runtime,
  definition: LabDefinition,
  fresh: readonly LabResource[],
  options: DeployOptions,
): Promise<void> {
  const holder = fresh.find((resource) => isDrbd(resource) && !isDiskless(resource));
  if (!holder) return;
  const unset = definition.volumes.filter((volume) => volume.props[FIRST] === undefined);
  const thin = holder.volumes.every((volume) =>
    findPool(lab.state, holder.node, volume.pool)?.provider.endsWith('THIN'),
  );
  for (const volume of unset) volume.props[FIRST] = holder.node.toUpperCase();
  noteInitialized(lab, definition);
  if (unset.length > 0 && thin && !options.restored) {
    await pass(lab, options.reply.within({ operation: 'modify' }), definition);
  }
}
