import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, NodeName, Replica, Resource, ResourceName } from '../linstor/linstor.ts';
import { isDeleting, isDiskful, replicasOf, sameName } from './replicas.ts';
import { poll } from './wait.ts';

/**
 * Nodes of replicas whose satellite is not connected: LINSTOR knows neither their state nor reaches them. That of a replica which has just
 * been made is not known for some moments either, so the nodes are asked before a satellite is called away.
 */
export async function nodesAway(
  linstor: Pick<Linstor, 'nodes'>,
  replicas: readonly Replica[],
): Promise<NodeName[]> {
  const unknown = replicas.filter((replica) => !replica.stateKnown && !isDeleting(replica));
  if (unknown.length === 0) return [];
  const nodes = await linstor.nodes();
  const isOnline = (name: NodeName): boolean =>
    nodes.some((node) => sameName(node.name, name) && node.status === 'ONLINE');
  return unknown.map((replica) => replica.node).filter((name) => !isOnline(name));
}

/**
 * `what`: what is refused, `one-vm-7-disk-0 is not resized`. Throws LINSTOR_NODE_OFFLINE when a satellite of these replicas is away:
 * LINSTOR calls that "not UpToDate", which no waiting mends.
 */
export async function requireConnected(
  linstor: Pick<Linstor, 'nodes'>,
  what: string,
  replicas: readonly Replica[],
): Promise<void> {
  const away = await nodesAway(linstor, replicas);
  if (away.length > 0)
    throw new DriverError(
      'LINSTOR_NODE_OFFLINE',
      `${what}: no connection to the satellite on ${away.join(', ')}`,
    );
}

/** The same for those that hold data. */
export const requireDataConnected = (
  linstor: Pick<Linstor, 'nodes'>,
  what: string,
  replicas: readonly Replica[],
  name: ResourceName,
): Promise<void> =>
  requireConnected(
    linstor,
    what,
    replicas.filter((replica) => sameName(replica.name, name) && isDiskful(replica)),
  );

/** A satellite tells the controller of a new replica within a second; of how it is doing on a busy machine somewhat later. */
const tellMs = 10_000;

/**
 * The replicas of a resource, read again if the state of none of the wanted ones is known yet although a satellite of theirs is
 * connected: they have just been made. As they were where that does not change.
 */
export async function whenStateKnown<R extends Replica>(
  ctx: Pick<Context, 'clock'>,
  linstor: Pick<Linstor, 'nodes'>,
  view: readonly R[],
  wanted: (replica: R) => boolean,
  read: (name: ResourceName) => Promise<readonly R[]>,
): Promise<readonly R[]> {
  const asked = view.filter(wanted);
  const [first] = asked;
  if (!first || asked.some((replica) => replica.stateKnown)) return view;
  if ((await nodesAway(linstor, asked)).length === asked.length) return view;
  const known = await poll(ctx.clock, tellMs, async () => {
    const now = replicasOf(await read(first.name), first.name);
    return now.some((replica) => wanted(replica) && replica.stateKnown) ? now : undefined;
  });
  return known ?? view;
}

/** A controller that has just started finds its satellites within some ten seconds. */
const returnMs = 30_000;

/** Has its satellite told how it is? LINSTOR stumbles over a missing state under DRBD, and of plain storage the path is what is needed. */
const hasSpoken = (replica: Resource): boolean =>
  isDeleting(replica) ||
  (replica.stateKnown &&
    (!isDiskful(replica) ||
      replica.volumes.every((volume) =>
        replica.layers[0] === 'DRBD' ? volume.diskState : volume.devicePath,
      )));

/** The replicas of a resource once all their satellites are connected and have spoken; as they are where that does not come. */
export async function whenConnected(
  ctx: Pick<Context, 'clock'>,
  linstor: Linstor,
  view: readonly Resource[],
): Promise<readonly Resource[]> {
  const [first] = view;
  if (!first || view.every(hasSpoken)) return view;
  let now = view;
  const spoken = await poll(ctx.clock, returnMs, async () => {
    now = replicasOf(await linstor.resources({ names: [first.name] }), first.name);
    return now.length > 0 && now.every(hasSpoken) ? now : undefined;
  });
  return spoken ?? now;
}
