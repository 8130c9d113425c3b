import { DriverError } from '../errors.ts';
import type { Resource, ResourceName } from '../linstor/linstor.ts';
import { isDeleting, isDiskful } from './replicas.ts';

/** Replicas whose satellite is not connected: LINSTOR knows neither their state nor reaches them. */
export const awayReplicas = (replicas: readonly Resource[]): Resource[] =>
  replicas.filter((replica) => !replica.stateKnown && !isDeleting(replica));

/**
 * `what`: what is refused, `one-vm-7-disk-0 is not resized`. Throws LINSTOR_NODE_OFFLINE when a satellite of these replicas is away:
 * LINSTOR calls that "not UpToDate", which no waiting mends.
 */
export function requireConnected(what: string, replicas: readonly Resource[]): void {
  const away = awayReplicas(replicas);
  if (away.length === 0) return;
  const nodes = away.map((replica) => replica.node).join(', ');
  throw new DriverError('LINSTOR_NODE_OFFLINE', `${what}: no connection to the satellite on ${nodes}`);
}

/** The same for those that hold data. */
export const requireDataConnected = (what: string, replicas: readonly Resource[], name: ResourceName): void =>
  requireConnected(
    what,
    replicas.filter((replica) => replica.name.toLowerCase() === name.toLowerCase() && isDiskful(replica)),
  );
