import { snapshotPolicy } from '../../opennebula/attribute-kinds.ts';
import type { Vm } from '../../opennebula/one.ts';
import { vmState } from '../../opennebula/states.ts';
import { policyTextFor } from '../../vm-snapshots/policies.ts';
import { parsePolicySnapshot } from '../../volumes/names.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type ClusterView, orElse } from './facts.ts';

const hourMs = 3_600_000;

/** VMs whose policy cannot be read, and VMs whose policy nobody carries out. */
export function checkSnapshotPolicies(facts: ClusterView, cluster: ClusterFacts): Finding[] {
  const newest = new Map<number, number>();
  for (const { name } of orElse(cluster.snapshots, [])) {
    const point = parsePolicySnapshot(name);
    if (point) newest.set(point.vmId, Math.max(point.at, newest.get(point.vmId) ?? 0));
  }
  const here = new Set(cluster.datastores);
  const wrong: string[] = [];
  const late: number[] = [];
  for (const vm of orElse(facts.one.vms, [])) {
    const last = vm.history.at(-1);
    if (vm.state === vmState.DONE || !last || !usesOneOf(vm, here)) continue;
    const text = policyTextFor(vm, orElse(facts.one.datastores, []));
    const policy = text === undefined ? undefined : snapshotPolicy.parse(text);
    if (text !== undefined && !policy) wrong.push(`VM ${vm.id} (“${text}”)`);
    if (!policy || policy.hours + policy.days + policy.weeks === 0) continue;
    const patience = (policy.hours > 0 ? 3 : policy.days > 0 ? 48 : 14 * 24) * hourMs;
    const since = Math.max(newest.get(vm.id) ?? 0, last.stime * 1000);
    if (facts.now - since > patience) late.push(vm.id);
  }
  const some = (items: readonly (string | number)[]): string =>
    items.length > 4 ? `${items.slice(0, 4).join(', ')} and ${items.length - 4} more` : items.join(', ');
  return [
    ...(wrong.length === 0
      ? []
      : [
          {
            id: 'storage.snapshot-policy',
            severity: 'warn',
            object: some(wrong),
            what: `LINSTOR_SNAPSHOTS cannot be understood; allowed: ${snapshotPolicy.allowed}`,
            why: 'no snapshots are taken of these VMs',
            remedy: 'onevm update ID, or onedatastore update ID',
          } satisfies Finding,
        ]),
    ...(late.length === 0
      ? []
      : [
          {
            id: 'storage.snapshot-policy',
            severity: 'warn',
            object: `VM ${some(late)}`,
            what: `${late.length} VMs have a snapshot policy, and none was taken of late`,
            why: 'the timer is not enabled, or taking them fails; what the policy promises is not there',
            remedy:
              'systemctl enable --now linstor_un-snapshots.timer\nlinstor_un snapshots run   # tells what fails',
          } satisfies Finding,
        ]),
  ];
}

const usesOneOf = (vm: Vm, datastores: ReadonlySet<number>): boolean =>
  datastores.has(vm.history.at(-1)?.datastoreId ?? -1) ||
  vm.disks.some(({ datastoreId }) => datastoreId !== undefined && datastores.has(datastoreId));
