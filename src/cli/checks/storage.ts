import { isReal } from '../../linstor/providers.ts';
import { lcm } from '../../opennebula/states.ts';
import { firstReplicaProperty, lacksFirstReplica } from '../../volumes/first-replica.ts';
import { parseResource } from '../../volumes/names.ts';
import { isDiskful, sameName } from '../../volumes/replicas.ts';
import { findLeftovers } from '../gc/leftovers.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type ClusterView, orElse } from './facts.ts';
import { checkMoves } from './moves.ts';
import { checkPools } from './pools.ts';
import { checkSnapshotPolicies } from './snapshot-policies.ts';
import { checkTrash } from './trash.ts';
import { deadNodes, type Problem, problemsOf } from './volume-health.ts';

/** Storage pools and the resources in them. */
export function checkStorage(facts: ClusterView): Finding[] {
  return facts.clusters.flatMap((cluster) => {
    if (!cluster.capabilities.ok) return [];
    const findings = [
      ...checkHealth(facts, cluster),
      ...checkLeftovers(facts, cluster),
      ...checkTrash(facts, cluster),
      ...checkSnapshotPolicies(facts, cluster),
      ...checkMoves(cluster),
    ];
    const trouble = findings.some((item) => item.severity !== 'info');
    const count = orElse(cluster.resources, []).filter(isDiskful).length;
    return trouble
      ? findings
      : ([
          {
            id: 'storage',
            severity: 'ok',
            object: cluster.label,
            what: `${orElse(cluster.pools, []).filter(isReal).length} storage pools, ${count} replicas: no problems`,
          },
          ...findings,
        ] satisfies Finding[]);
  });
}

/** What is wrong at this moment; `status` judges by the same. */
export function checkHealth(facts: ClusterView, cluster: ClusterFacts): Finding[] {
  return [...checkPools(facts, cluster), ...checkResources(cluster), ...checkTwoPrimaries(facts, cluster)];
}

function checkResources(cluster: ClusterFacts): Finding[] {
  const findings: Finding[] = [];
  const prefix = cluster.settings.namePrefix;
  const ours = (name: string): boolean => parseResource(prefix, name) !== undefined;
  const group = (
    id: string,
    severity: Finding['severity'],
    names: readonly string[],
    what: string,
    why: string,
    remedy: string,
  ): void => {
    if (names.length === 0) return;
    const unique = [...new Set(names)];
    const shown =
      unique.length > 4
        ? `${unique.slice(0, 4).join(', ')} and ${unique.length - 4} more`
        : unique.join(', ');
    findings.push({
      id,
      severity,
      object: shown,
      what: `${unique.length} ${what}`,
      why,
      remedy: remedy.replaceAll('NAME', unique[0] ?? 'NAME'),
    });
  };
  const resources = orElse(cluster.resources, []).filter((item) => ours(item.name));
  const definitions = orElse(cluster.definitions, []).filter((item) => ours(item.name));
  const views = Map.groupBy(resources, (item) => item.name.toLowerCase());
  const known = cluster.resources.ok ? definitions : [];
  const problems = known.flatMap((item) =>
    problemsOf(item, views.get(item.name.toLowerCase()) ?? []).map((problem) => ({
      ...problem,
      name: item.name,
    })),
  );
  const dead = deadNodes(cluster);
  const named = (kind: Problem['kind']): string[] =>
    problems
      // What one dead node causes is said once, of the node.
      .filter((item) => item.kind === kind && !(item.kind === 'unknown' && dead.has(item.node)))
      .map((item) => item.name);
  group(
    'storage.deleting',
    'warn',
    named('deleting'),
    'resources are stuck while being deleted',
    'LINSTOR waits for a satellite that is away; the name cannot be used again',
    'linstor node list\nlinstor resource list -r NAME   # bring these nodes online',
  );
  group(
    'storage.unknown',
    'warn',
    named('unknown'),
    'resources have a replica of which LINSTOR does not know the state',
    'its satellite is online but has not reported it',
    'linstor resource list -r NAME --all\nlinstor node reconnect NODE',
  );
  group(
    'storage.sync',
    'warn',
    named('not-in-sync'),
    'resources have a replica that is not up to date',
    'with one more failure their data are not available',
    'linstor resource list -r NAME --faulty',
  );
  group(
    'storage.split',
    'fail',
    named('split'),
    'resources have replicas that refuse each other (StandAlone)',
    'they went apart (split brain) or were told to disconnect: new writes are on one side only',
    'drbdadm status NAME   # decide which side is right before anything else',
  );
  group(
    'storage.replicas',
    'fail',
    named('no-disk'),
    'resources have no replica with a disk',
    'their data is unavailable',
    'linstor resource list -r NAME --all',
  );
  group(
    'storage.half-reverted',
    'fail',
    named('half-reverted'),
    'VMs have disks of which a revert is under way or was cut off',
    'some of their disks may hold the old content and some the new one; the next start of the VM, which is a step of CONTEXT, brings the old one back',
    'linstor_un snapshots list   # then start the VM with onevm resume, or revert it again',
  );
  const unconfirmed = definitions.flatMap((item) => {
    const holders = resources.filter((replica) => sameName(replica.name, item.name) && isDiskful(replica));
    const nodes = holders.map((replica) => replica.node);
    return lacksFirstReplica(item, nodes) ? [{ name: item.name, node: nodes[0] ?? '' }] : [];
  });
  group(
    'storage.first-replica',
    'warn',
    unconfirmed.map((item) => item.name),
    'volumes name a node as their first that has no replica of them',
    'a replica that LINSTOR adds there counts as up to date while it is empty',
    `linstor volume-definition set-property NAME 0 ${firstReplicaProperty} ${unconfirmed[0]?.node ?? ''}`,
  );
  const failed = orElse(cluster.snapshots, []).filter(
    (item) => ours(item.resource) && item.flags.some((flag) => flag.startsWith('FAILED')),
  );
  group(
    'storage.snapshots',
    'warn',
    failed.map((item) => item.resource),
    'resources have a failed snapshot',
    'it blocks its name and the deletion of the resource',
    'linstor snapshot list -r NAME\nlinstor_un gc',
  );
  return findings;
}

/** Only a hint where to look: `gc` asks OpenNebula about each VM of the past. */
function checkLeftovers(facts: ClusterView, cluster: ClusterFacts): Finding[] {
  const { definitions, resources, snapshots, nodes, kept, trash, settings } = cluster;
  const { vms, images } = facts.one;
  if (!definitions.ok || !resources.ok || !snapshots.ok || !nodes.ok || !vms.ok || !images.ok) return [];
  if (!trash.ok || !kept.ok) return [];
  const found = findLeftovers({
    prefix: settings.namePrefix,
    nodeMap: settings.nodeMap,
    definitions: definitions.value,
    resources: resources.value,
    snapshots: snapshots.value,
    nodes: nodes.value,
    kept: kept.value,
    trash: trash.value,
    vms: vms.value,
    images: images.value,
    past: new Map(),
    now: facts.now,
    olderThanMs: 24 * 3_600_000,
  }).filter((item) => item.kind !== 'deleting');
  if (found.length === 0) return [];
  const names = [...new Set(found.map((item) => item.resource))];
  return [
    {
      id: 'storage.leftovers',
      severity: 'info',
      object:
        names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', '),
      what: `${found.length} objects look like leftovers: disks, temporary resources, helper snapshots or attached replicas`,
      why: 'they use space and block the deletion of images',
      remedy: 'linstor_un gc',
    },
  ];
}

const twoPrimaries = 'DrbdOptions/Net/allow-two-primaries';

/** Allowed only while a live migration runs, and for shareable disks: outside of that two writers destroy the data. */
function checkTwoPrimaries(facts: ClusterView, cluster: ClusterFacts): Finding[] {
  if (!facts.one.vms.ok) return [];
  const migrating = new Set(
    facts.one.vms.value.filter((vm) => vm.lcmState === lcm.MIGRATE).map((vm) => vm.id),
  );
  const shareable = new Set(
    facts.one.vms.value.flatMap((vm) =>
      vm.disks
        .filter((disk) => disk.kind === 'shareable' || disk.kind === 'cdrom')
        .map((disk) => disk.source),
    ),
  );
  const left = orElse(cluster.definitions, []).filter((item) => {
    const parsed = parseResource(cluster.settings.namePrefix, item.name);
    if (!parsed || item.props[twoPrimaries]?.toLowerCase() !== 'yes') return false;
    if (parsed.vmId !== undefined) return !migrating.has(parsed.vmId);
    if ([...shareable].some((source) => source.includes(`/${item.name}/`))) return false;
    return (
      !facts.one.vms.ok ||
      !facts.one.vms.value.some(
        (vm) => migrating.has(vm.id) && vm.disks.some((disk) => disk.source.includes(`/${item.name}/`)),
      )
    );
  });
  return left.map((item) => ({
    id: 'storage.two-primaries',
    severity: 'warn',
    object: item.name,
    what: 'it may be opened for writing on two nodes, and no live migration is running',
    why: 'two VMs that write to it at once destroy its data',
    remedy: `linstor_un gc --apply   # or: linstor resource-definition set-property ${item.name} ${twoPrimaries} no`,
  }));
}
