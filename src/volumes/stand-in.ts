import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, Resource, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import { marks } from './marks.ts';
import { namesFor } from './names.ts';
import { nodesAway } from './online.ts';
import { requireOwn } from './reclaim.ts';
import { removeResource } from './remove.ts';
import { replicasOf, sameName } from './replicas.ts';
import { noteOf, trashOf } from './trash.ts';
import { poll } from './wait.ts';

/** Volumes of VMs whose proper name is taken by one that LINSTOR cannot delete yet. */

/** Those of the volume, the proper name first. */
const ofName = (name: ResourceName, definitions: readonly ResourceDefinition[]): ResourceDefinition[] =>
  namesFor(name).flatMap((each) => definitions.filter((item) => sameName(item.name, each)));

const isGoing = ({ flags }: ResourceDefinition): boolean => flags.includes('DELETE');

/** Number of the deployment that made it. */
const deploymentOf = ({ props }: ResourceDefinition): number =>
  Number.parseInt(props[marks.deployment] ?? '-1', 10);

/**
 * What is there under one of the names and is not being deleted. There is one at most: whoever makes a volume removes the others before. Should
 * there be several all the same, the one of the latest deployment, which the VM has run with.
 */
export function present(
  name: ResourceName,
  definitions: readonly ResourceDefinition[],
): ResourceDefinition | undefined {
  const [first, ...others] = ofName(name, definitions).filter((each) => !isGoing(each));
  return others.reduce<ResourceDefinition | undefined>(
    (best, each) => (best && deploymentOf(each) > deploymentOf(best) ? each : best),
    first,
  );
}

/** The name under which it is now, or the proper one. `definitions`: those of `namesFor`. */
export const presentName = (name: ResourceName, definitions: readonly ResourceDefinition[]): ResourceName =>
  present(name, definitions)?.name ?? name;

/** A pending deletion whose satellites are online is a matter of moments. */
const deletionGraceMs = 20_000;

/**
 * A name for a new volume. What is left under one of its names is removed; the caller holds the lock of the proper name and has decided
 * that the content is not wanted. Where a deletion waits for a node that is away, nobody waits for that node: the next name is taken.
 * `left`: definitions and replicas of `namesFor`, as just read. Throws LINSTOR_EXISTS, LINSTOR_DELETING.
 */
export async function freeName(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  name: ResourceName,
  left: { readonly definitions: readonly ResourceDefinition[]; readonly view: readonly Resource[] },
): Promise<ResourceName> {
  const found = ofName(name, left.definitions);
  if (found.length === 0) return name;
  for (const each of found) requireOwn(each);
  await requireNotInTrash(linstor, name, found);
  for (const each of found.filter((item) => !isGoing(item))) {
    ctx.log.info(`resource ${each.name} is a leftover of an earlier try and is removed`);
    await removeResource(ctx, linstor, each.name);
  }
  const names = namesFor(name);
  let taken = found;
  const free = async (): Promise<ResourceName | undefined> => {
    taken = ofName(name, await linstor.definitions({ names: [...names] }));
    return taken.some((each) => sameName(each.name, name)) ? undefined : name;
  };
  const own =
    (await free()) ??
    ((await waitsForDead(linstor, name, left.view))
      ? undefined
      : await poll(ctx.clock, deletionGraceMs, free));
  if (own) return own;
  const next = names.find((each) => !taken.some((item) => sameName(item.name, each)));
  if (!next)
    throw new DriverError(
      'LINSTOR_DELETING',
      `resource ${name} and all its stand-ins are still being deleted`,
      {
        remedy:
          'bring the nodes back that they wait for (linstor resource list --all), or tell LINSTOR that one is lost: linstor node lost NODE',
      },
    );
  ctx.log.warn(`resource ${name} is still being deleted, which its nodes prevent; ${next} takes its place`);
  return next;
}

/** A VM of that id was terminated before: OpenNebula's database is an older one by now. Throws LINSTOR_EXISTS. */
async function requireNotInTrash(
  linstor: Linstor,
  name: ResourceName,
  found: readonly ResourceDefinition[],
): Promise<void> {
  const prefix = name.replace(/one-vm-\d+-(?:disk-\d+|checkpoint)$/, '');
  const notes = await trashOf(linstor, prefix);
  const kept = found.find((each) => !isGoing(each) && noteOf(notes, each));
  if (!kept) return;
  throw new DriverError('LINSTOR_EXISTS', `resource ${kept.name} is in the trash and is not created again`, {
    remedy: `linstor_un trash restore ${kept.name}, or linstor_un trash empty ${kept.name}`,
  });
}

async function waitsForDead(
  linstor: Linstor,
  name: ResourceName,
  view: readonly Resource[],
): Promise<boolean> {
  const replicas = replicasOf(view, name).map((replica) => ({ ...replica, flags: [] }));
  return (await nodesAway(linstor, replicas)).length > 0;
}
