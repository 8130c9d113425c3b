import type { Context } from '../context.ts';
import { isOurs } from '../disks/disk-call.ts';
import { DriverError } from '../errors.ts';
import type { Datastore, Vm } from '../opennebula/one.ts';
import { normalPath } from '../opennebula/paths.ts';
import type { VmPlace } from './vm-disks.ts';

/** Where a VM is, or was last, by its own document. Throws ONE_INCOMPLETE for one that has never been anywhere. */
export function placeOfVm(vm: Vm, datastores: readonly Datastore[]): VmPlace {
  const last = vm.history.at(-1);
  const datastore = datastores.find(({ id }) => id === last?.datastoreId);
  if (!last || !datastore)
    throw new DriverError(
      'ONE_INCOMPLETE',
      `VM ${vm.id} has not been on a host, or its datastore is not known`,
    );
  return {
    host: last.hostname,
    directory: normalPath(`${datastore.basePath}/${vm.id}`),
    systemDatastoreId: datastore.id,
    whole: isOurs(datastore),
  };
}

/** Templates whose attributes hold for a disk of the VM: the image datastore's, then the system datastore's if it is ours. */
export function templatesFor(
  ctx: Pick<Context, 'settings'>,
  vm: Vm,
  datastores: readonly Datastore[],
  imageDatastoreId: number | undefined,
): ReturnType<Context['settings']> {
  const system = datastores.find(({ id }) => id === vm.history.at(-1)?.datastoreId);
  const image = datastores.find(({ id }) => id === imageDatastoreId);
  return ctx.settings(
    ...(image && image !== system && isOurs(image) ? [image.template] : []),
    ...(system && isOurs(system) ? [system.template] : []),
  );
}
