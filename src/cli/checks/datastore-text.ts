import type { Datastore } from '../../opennebula/one.ts';

/** How a datastore is named in findings. */
export const label = (datastore: Datastore): string => `datastore ${datastore.id} (${datastore.name})`;

/** The command that sets one attribute, for bash. */
export const set = (datastore: Datastore, line: string): string =>
  `onedatastore update ${datastore.id} --append <(echo '${line}')`;
