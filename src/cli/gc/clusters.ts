import type { Context } from '../../context.ts';
import type { Settings } from '../../opennebula/settings.ts';
import { isOurs } from '../checks/gather.ts';

export interface OurCluster {
  readonly settings: Settings;
  /** Ids of those that use it. */
  readonly datastores: ReadonlySet<number>;
}

/** One for each LINSTOR and name prefix that a datastore of ours uses. */
export async function clustersOf(context: Context): Promise<OurCluster[]> {
  const ours = (await context.one.datastores()).filter(isOurs);
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
