import { parseOnedConf, singlesOf } from '../../install/oned-syntax.ts';
import { ioClassAttributes } from '../../install/registration.ts';
import type { Datastore } from '../../opennebula/one.ts';
import type { Finding } from './check.ts';
import { label } from './datastore-text.ts';
import type { Facts } from './facts.ts';

/** A limit in a datastore that no disk inherits limits nothing, and nobody notices. */
export function checkClasses(facts: Facts, datastore: Datastore): Finding[] {
  const limits = ioClassAttributes.filter((name) => datastore.template[name]);
  if (limits.length === 0 || !facts.files.onedConf.ok) return [];
  const inherited = new Set(inheritedBy(facts.files.onedConf.value));
  const lost = limits.filter((name) => !inherited.has(name));
  if (lost.length === 0) return [];
  return [
    {
      id: 'datastores.io-class',
      severity: 'warn',
      object: label(datastore),
      what: `${lost.join(', ')} ${lost.length === 1 ? 'is' : 'are'} not inherited by disks`,
      why: 'the disks of this datastore have no limit',
      remedy: 'linstor_un install --with-io-classes\nsystemctl restart opennebula',
    },
  ];
}

function inheritedBy(onedConf: string): string[] {
  try {
    return singlesOf(parseOnedConf(onedConf), 'INHERIT_DATASTORE_ATTR').map(({ value }) =>
      value.text.toUpperCase(),
    );
  } catch {
    return [];
  }
}
