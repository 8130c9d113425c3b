import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, Resource, ResourceName } from '../linstor/linstor.ts';
import { knownReplicas } from './known-view.ts';
import { isDiskful, isInSync, replicasOf, skipDiskProperty, skipsDisk } from './replicas.ts';
import { poll } from './wait.ts';

/** What keeps LINSTOR from taking a snapshot, as far as it can be known before it is asked for. */

/** LINSTOR has one code for what passes by itself and for what lasts until somebody acts. This is the latter: no waiting mends it. */
export class LastingObstacle extends DriverError {}

export const isLasting = (error: unknown): error is LastingObstacle => error instanceof LastingObstacle;

/** DRBD has let go of a disk that it is meant to have: an I/O error, or somebody has detached it. */
const hasLostDisk = (replica: Resource): boolean =>
  replica.stateKnown &&
  replica.volumes.some((volume) => volume.diskState === 'Failed' || volume.diskState === 'Diskless');

/** Throws LastingObstacle, with the node and what helps there. */
export function requireSnapshottable(what: string, name: ResourceName, view: readonly Resource[]): void {
  for (const replica of replicasOf(view, name).filter(isDiskful)) {
    const { node } = replica;
    if (skipsDisk(replica)) {
      throw new LastingObstacle(
        'LINSTOR_NOT_UPTODATE',
        `${what}: the disk of ${name} on ${node} is not used (${skipDiskProperty}); LINSTOR sets that when a disk has failed`,
        {
          remedy: `look at the disk on ${node} (linstor error-reports list), then: linstor resource set-property ${node} ${name} ${skipDiskProperty}`,
        },
      );
    }
    if (hasLostDisk(replica)) {
      throw new LastingObstacle(
        'LINSTOR_NOT_UPTODATE',
        `${what}: DRBD has detached the disk of ${name} on ${node} (${replica.volumes[0]?.diskState})`,
        {
          remedy: `look at the disk and the kernel log on ${node}, then run there: drbdadm adjust ${name}; or replace the replica: linstor resource delete ${node} ${name}`,
        },
      );
    }
  }
}

/** A refusal says only that the property is set, and that may be on the definition, the node, or the controller. */
export function requirePassing(what: string, name: ResourceName, error: unknown): void {
  if (!isLinstorError(error, 'FAIL_SNAPSHOT_NOT_UPTODATE') || !/SkipDisk/i.test(error.message)) return;
  throw new LastingObstacle(
    'LINSTOR_NOT_UPTODATE',
    `${what}: ${skipDiskProperty} is set for ${name}, and LINSTOR takes no snapshot of a disk that is not used`,
    {
      details: error.details,
      remedy: `find where it is set: linstor resource list-properties NODE ${name}, linstor resource-definition list-properties ${name}, linstor node list-properties NODE, linstor controller list-properties`,
      cause: error,
    },
  );
}

const isSyncing = (replica: Resource): boolean =>
  replica.stateKnown && isDiskful(replica) && !replica.volumes.every(isInSync);

/** As long as LINSTOR itself is asked again. */
const syncMs = 130_000;

/**
 * Returns the view when nothing that can be known stands in the way of a snapshot; what passes is waited for. For what must not wait
 * while it holds something: a frozen guest. Throws LastingObstacle, LINSTOR_NOT_UPTODATE.
 */
export async function whenSnapshottable(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  name: ResourceName,
  what: string,
): Promise<readonly Resource[]> {
  let syncing: readonly Resource[] = [];
  const ready = await poll(ctx.clock, syncMs, async () => {
    const view = await knownReplicas(linstor, name);
    requireSnapshottable(what, name, view);
    const now = view.filter(isSyncing);
    if (now.length > 0 && syncing.length === 0)
      ctx.log.info(`${name} is not in sync on ${nodesOf(now)}; that is waited for`);
    syncing = now;
    return now.length === 0 ? view : undefined;
  });
  if (ready) return ready;
  throw new DriverError('LINSTOR_NOT_UPTODATE', `${what}: ${name} is not in sync on ${nodesOf(syncing)}`);
}

const nodesOf = (replicas: readonly Resource[]): string =>
  replicas.map(({ node, volumes }) => `${node} (${volumes[0]?.diskState})`).join(', ');
