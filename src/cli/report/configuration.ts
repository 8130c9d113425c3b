import { isOurs } from '../../disks/disk-call.ts';
import { type Entry, parseOnedConf } from '../../install/oned-syntax.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { Facts } from '../checks/facts.ts';
import { type Plain, shownAttributes } from './clean.ts';

const ownSections: ReadonlySet<string> = new Set(['TM_MAD_CONF', 'DS_MAD_CONF']);
const driverSections: ReadonlySet<string> = new Set(['TM_MAD', 'DATASTORE_MAD', 'VM_MAD']);
const singles = /^(?:INHERIT_DATASTORE_ATTR|(?:VM|IMAGE)_RESTRICTED_ATTR|DATASTORE_ENCRYPTED_ATTR)$/;

/** The driver's own configuration, and of oned.conf what concerns it: the rest holds a database's password and is nobody's business. */
export function configurationOf(facts: Facts, config: Readonly<Record<string, string>>): Plain {
  const ours = facts.one.datastores.ok ? facts.one.datastores.value.filter(isOurs) : [];
  return {
    'linstor_un.conf': shownAttributes(config),
    'lines without effect': facts.files.config.ok
      ? facts.files.config.value.map(({ text }) => text)
      : facts.files.config.error.message,
    datastores: Object.fromEntries(
      ours.map((item) => [`${item.id} ${item.name}`, shownAttributes(item.template)]),
    ),
    'oned.conf': facts.files.onedConf.ok ? registration(facts.files.onedConf.value) : 'cannot be read',
  };
}

function registration(text: string): Plain {
  let entries: readonly Entry[];
  try {
    entries = parseOnedConf(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return entries.flatMap((entry) => {
    if (entry.kind === 'single')
      return singles.test(entry.name) ? [`${entry.name} = "${entry.value.text}"`] : [];
    const pairs = entry.attributes.map(({ name, value }) => `${name}="${value.text}"`);
    const isOwn =
      ownSections.has(entry.name) &&
      entry.attributes.some(({ name, value }) => name === 'NAME' && value.text === driverName);
    return isOwn || driverSections.has(entry.name) ? [`${entry.name} = [ ${pairs.join(', ')} ]`] : [];
  });
}
