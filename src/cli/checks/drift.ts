import { attributeOf, parseOnedConf, vectorsOf } from '../../install/oned-syntax.ts';
import { isOurs } from '../../install/registration.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { Datastore } from '../../opennebula/one.ts';
import { datastoreType } from '../../opennebula/states.ts';

/**
 * OpenNebula copies the values of TM_MAD_CONF into a datastore when it is created; a changed oned.conf does not reach
 * datastores that exist (contract §7.2).
 */
export interface Drift {
  readonly datastore: number;
  readonly name: string;
  readonly attribute: string;
  readonly found: string | undefined;
  readonly wanted: string;
  readonly what: string;
  readonly remedy: string;
}

/** Keys that an image datastore copies; system datastores copy those of the second list and need a DISK_TYPE of their own. */
const ofImages = ['LN_TARGET', 'CLONE_TARGET', 'DISK_TYPE', 'DRIVER', 'ALLOW_ORPHANS'];
const ofSystems = ['SHARED', 'DS_MIGRATE', 'DISK_TYPE', 'ALLOW_ORPHANS'];
/** Keys that datastores of older OpenNebulas lack without harm. */
const mayLack: ReadonlySet<string> = new Set(['DRIVER', 'ALLOW_ORPHANS', 'DS_MIGRATE']);

export function datastoreDrift(onedConf: string, datastores: readonly Datastore[]): Drift[] {
  const section = vectorsOf(parseOnedConf(onedConf), 'TM_MAD_CONF').find(isOurs);
  if (!section) return [];
  return datastores
    .filter((item) => item.tmMad === driverName)
    .flatMap((item) => {
      const keys =
        item.type === datastoreType.SYSTEM ? ofSystems : item.type === datastoreType.IMAGE ? ofImages : [];
      return keys.flatMap((key) => {
        const wanted = attributeOf(section, key)?.value.text ?? (key === 'DISK_TYPE' ? 'BLOCK' : undefined);
        const found = item.template[key];
        if (wanted === undefined || found?.toUpperCase() === wanted.toUpperCase()) return [];
        if (found === undefined && mayLack.has(key)) return [];
        return [describe(item, key, found, wanted)];
      });
    });
}

function describe(datastore: Datastore, attribute: string, found: string | undefined, wanted: string): Drift {
  const caution =
    attribute === 'CLONE_TARGET'
      ? '   # only while no VM uses the datastore: quotas of running VMs would be wrong'
      : '';
  return {
    datastore: datastore.id,
    name: datastore.name,
    attribute,
    found,
    wanted,
    what: `${attribute} is ${found === undefined ? 'missing' : `“${found}”`}, the registration says “${wanted}”`,
    remedy: `onedatastore update ${datastore.id} --append <(echo '${attribute}="${wanted}"')${caution}`,
  };
}
