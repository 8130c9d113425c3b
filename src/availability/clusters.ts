import type { Context } from '../context.ts';
import { isOurs } from '../disks/disk-call.ts';
import type { Datastore } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';

export interface OurCluster {
  readonly settings: Settings;
  /** Ids of those that use it. */
  readonly datastores: ReadonlySet<number>;
}

/** One for each LINSTOR and name prefix that a datastore of ours uses; without a datastore, the one that the configuration leads to. */
export function clustersOf(context: Context, datastores: readonly Datastore[]): OurCluster[] {
  const ours = datastores.filter(isOurs);
  if (ours.length === 0) return [{ settings: context.settings(), datastores: new Set() }];
  const all = ours.map(({ id, template }) => ({ id, settings: context.settings(template) }));
  const byCluster = Map.groupBy(all, ({ settings }) =>
    [settings.namePrefix, ...settings.controllers].join(' '),
  );
  return [...byCluster.values()].flatMap((same) => {
    const settings = same.at(-1)?.settings;
    return settings ? [{ settings, datastores: new Set(same.map(({ id }) => id)) }] : [];
  });
}
