import { attributeNames, namesOf } from '../../opennebula/attributes.ts';
import { misspeltIn } from '../../opennebula/misspelt.ts';
import type { Attributes, Datastore } from '../../opennebula/one.ts';
import type { Finding } from './check.ts';
import { label } from './datastore-text.ts';
import { type Facts, orElse } from './facts.ts';

const ours: ReadonlySet<string> = new Set(attributeNames.flatMap(namesOf));

/** Attributes that look like ours and are none, or are ours and stand where nobody reads them. */
export function checkSpelling(facts: Facts, datastores: readonly Datastore[]): Finding[] {
  return [
    ...datastores.flatMap((datastore) => ofDatastore(datastore)),
    ...orElse(facts.one.images, [])
      .filter((image) => datastores.some(({ id }) => id === image.datastoreId))
      .flatMap((image) => elsewhere(`image ${image.id} (${image.name})`, image.template)),
    ...orElse(facts.one.vms, [])
      .filter((vm) => vm.disks.some((disk) => disk.tmMad === 'linstor_un'))
      .flatMap((vm) => elsewhere(`VM ${vm.id} (${vm.name})`, { ...userTemplate(vm.xml), ...vm.template })),
  ];
}

function ofDatastore(datastore: Datastore): Finding[] {
  return misspeltIn(datastore.template).map(({ key, meant, isDangerous }) => ({
    id: 'datastores.misspelt',
    severity: isDangerous ? 'fail' : 'warn',
    object: label(datastore),
    what: `${key} is not an attribute of this driver${meant === undefined ? '' : `; ${meant} is probably meant`}`,
    why: isDangerous ? `no effect: new volumes are created as if ${meant} were not set` : 'it has no effect',
    remedy:
      meant === undefined
        ? `onedatastore update ${datastore.id}   # remove ${key}`
        : rename(datastore, key, meant),
  }));
}

/** The wrong name stays, without effect, until it is removed in the editor. */
const rename = ({ id, template }: Datastore, key: string, meant: string): string =>
  `onedatastore update ${id} --append <(echo '${meant}="${(template[key] ?? '').replaceAll("'", '')}"')\nonedatastore update ${id}   # remove ${key}`;

/** In images and VMs none of them is read. */
function elsewhere(object: string, template: Attributes): Finding[] {
  const found = [
    ...Object.keys(template).filter((key) => ours.has(key)),
    ...misspeltIn(template).map(({ key }) => key),
  ];
  return found.map((key) => ({
    id: 'datastores.misplaced',
    severity: 'info',
    object,
    what: `${key} has no effect here`,
    why: 'the driver reads its attributes in datastores and in linstor_un.conf',
    remedy: `set it with onedatastore update, for all volumes of the datastore`,
  }));
}

function userTemplate(xml: string): Attributes {
  const text = /<USER_TEMPLATE>(.*?)<\/USER_TEMPLATE>/s.exec(xml)?.[1] ?? '';
  return Object.fromEntries(
    [...text.matchAll(/<([A-Z][A-Z0-9_]*)>(?:<!\[CDATA\[)?([^<\]]*)/g)].map((match) => [
      match[1] ?? '',
      match[2] ?? '',
    ]),
  );
}
