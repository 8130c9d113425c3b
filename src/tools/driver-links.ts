import { actions, installedNames } from '../actions/registry.ts';

/** Folder of an action below OpenNebula's `remotes/` (contract §10.3). */
export const folderOf = { datastore: 'datastore/linstor_un', tm: 'tm/linstor_un', vmm: 'vmm/kvm' } as const;

/** Path below `drivers/` → link text, for every name of the action table; all lead to the built binary. */
export function driverLinks(): Map<string, string> {
  return new Map(
    actions.flatMap((action) =>
      installedNames(action).map(
        (name) => [`${folderOf[action.kind]}/${name}`, '../../../dist/linstor_un'] as const,
      ),
    ),
  );
}
