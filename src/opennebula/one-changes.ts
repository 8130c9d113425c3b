import { DriverError } from '../errors.ts';
import type { OnedClient } from './oned-client.ts';

/** Values of a template, as oned's parser takes them. */
export type Template = Readonly<Record<string, string | number>>;

/**
 * What a person's commands change in OpenNebula, over XML-RPC alone (contract §8.4). No action does: oned would wait for itself. A refused
 * connection is tried again, nothing having been done; a lost answer is not, and is looked for by the caller.
 */
export interface OneChanges {
  /** The id. With SOURCE and SIZE and no PATH the image is there at once, and no driver is asked. */
  allocateImage(template: Template, datastoreId: number): Promise<number>;
  /** The id. Cluster -1 is the default one. */
  allocateDatastore(template: Template, clusterId: number): Promise<number>;
  deleteImage(id: number): Promise<void>;
  renameImage(id: number, name: string): Promise<void>;
  /** The group stays. */
  giveImage(id: number, userId: number): Promise<void>;
  attachDisk(vmId: number, disk: Template): Promise<void>;
  detachDisk(vmId: number, diskId: number): Promise<void>;
  /** A host that is not enabled gets no further VMs. */
  enableHost(id: number, enabled: boolean): Promise<void>;
  /** Begins; the VM's document tells how it goes on. The host must have room for it. */
  migrateVm(id: number, hostId: number, how: 'live' | 'poweroff'): Promise<void>;
}

/** A quote in a value ends it. */
function quoted(name: string, value: string | number): string {
  const text = String(value);
  if (/["\n\r\0]/.test(text))
    throw new DriverError('USAGE', `${name} holds a quote or a line break`, {
      remedy: 'give another name',
    });
  return `${name}="${text}"`;
}

export const templateText = (template: Template): string =>
  Object.entries(template)
    .map(([name, value]) => quoted(name, value))
    .join('\n');

const vectorText = (name: string, template: Template): string =>
  `${name}=[${Object.entries(template)
    .map(([key, value]) => quoted(key, value))
    .join(',')}]`;

export const oneChanges = (client: OnedClient): OneChanges => ({
  allocateImage: async (template, datastoreId) => {
    const parameters = [templateText(template), datastoreId];
    // A volume that is there needs no room: oned is not to look for any.
    const said = await ('SOURCE' in template
      ? client.callWithExtra('one.image.allocate', parameters, [true])
      : client.call('one.image.allocate', ...parameters));
    if (/^\d{1,9}$/.test(said.trim())) return Number(said);
    throw new DriverError('ONE_INCOMPLETE', 'oned does not say which image it has made');
  },
  allocateDatastore: async (template, clusterId) => {
    const said = await client.call('one.datastore.allocate', templateText(template), clusterId);
    if (/^\d{1,9}$/.test(said.trim())) return Number(said);
    throw new DriverError('ONE_INCOMPLETE', 'oned does not say which datastore it has made');
  },
  deleteImage: async (id) => {
    await client.call('one.image.delete', id);
  },
  renameImage: async (id, name) => {
    await client.call('one.image.rename', id, name);
  },
  giveImage: async (id, userId) => {
    await client.call('one.image.chown', id, userId, -1);
  },
  attachDisk: async (vmId, disk) => {
    await client.call('one.vm.attach', vmId, vectorText('DISK', disk));
  },
  detachDisk: async (vmId, diskId) => {
    await client.call('one.vm.detach', vmId, diskId);
  },
  enableHost: async (id, enabled) => {
    await client.call('one.host.status', id, enabled ? 0 : 1);
  },
  migrateVm: async (id, hostId, how) => {
    // live, enforce, the same datastore, and how it stops: 0 by saving its memory, 1 by power off.
    await client.call('one.vm.migrate', id, hostId, how === 'live', true, -1, how === 'live' ? 0 : 1);
  },
});
