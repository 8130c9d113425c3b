import type { ResourceDefinition } from '../linstor/linstor.ts';
import { lcm } from '../opennebula/states.ts';
import { deploymentMark } from '../volumes/disk.ts';
import { followProps } from '../volumes/follow.ts';
import { marks } from '../volumes/marks.ts';
import { readableVm } from '../volumes/readable.ts';
import type { DiskCall } from './disk-call.ts';

/** By which marks a disk is known to be the one that this deployment of the VM has made. */

/**
 * Made by this very deployment, and not known to be incomplete? Only while the VM has never run: after that, content of that name is not what
 * the image holds.
 */
export function isCompleted(call: DiskCall, existing: ResourceDefinition | undefined): boolean {
  if (!existing || existing.flags.length > 0) return false;
  const prolog = call.vm.lcmState === lcm.PROLOG || call.vm.lcmState === lcm.PROLOG_FAILURE;
  return (
    prolog &&
    existing.props[marks.incomplete] === undefined &&
    existing.props[marks.deployment] === deploymentMark(call.vm)
  );
}

export const diskMarks = (call: DiskCall): Record<string, string> => ({
  ...followProps(call.settings),
  ...readableVm(call.linstor, call.vm),
  [marks.vmId]: String(call.vm.id),
  [marks.diskId]: String(call.disk.id),
  [marks.datastoreId]: String(call.target.systemDatastoreId),
  [marks.deployment]: deploymentMark(call.vm),
});
