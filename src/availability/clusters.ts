import type { Context } from '../context.ts';
import { driverName } from '../opennebula/driver-name.ts';
import type { Datastore } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';

export const isOurs = ({ tmMad, dsMad }: Datastore): boolean => tmMad === driverName || dsMad === driverName;

/** One for each LINSTOR that a datastore of ours uses; without a datastore, the one that the configuration leads to. */
export function settingsOfClusters(context: Context, datastores: readonly Datastore[]): Settings[] {
  const ours = datastores.filter(isOurs).map(({ template }) => context.settings(template));
  const byCluster = Map.groupBy(ours, ({ namePrefix, controllers }) =>
    [namePrefix, ...controllers].join(' '),
  );
  const found = [...byCluster.values()].flatMap((same) => same.at(-1) ?? []);
  return found.length > 0 ? found : [context.settings()];
}
