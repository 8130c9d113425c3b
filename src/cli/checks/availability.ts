import { nodeOfHost } from '../../disks/host-node.ts';
import type { Node, ResourceGroup } from '../../linstor/linstor.ts';
import { isReal } from '../../linstor/providers.ts';
import type { PlacementSettings } from '../../opennebula/settings.ts';
import { vmState } from '../../opennebula/states.ts';
import { parseResource } from '../../volumes/names.ts';
import { effectiveProp, quorumKeys, quorumProps } from '../../volumes/quorum.ts';
import { sameName } from '../../volumes/replicas.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type Facts, orElse } from './facts.ts';

/** What happens to guests when a host or a network fails: quorum, fencing, who has what open (docs/high-availability.md). */
export function checkAvailability(facts: Facts): Finding[] {
  const findings = [
    ...facts.clusters.flatMap((cluster) => [
      ...checkGroups(facts, cluster),
      ...checkEviction(facts, cluster),
      ...checkPrimaries(facts, cluster),
    ]),
    ...checkModules(facts),
    ...checkDirectories(facts),
    ...checkFenceScript(facts),
  ];
  if (findings.length > 0) return findings;
  const groups = facts.clusters.flatMap((cluster) =>
    groupsInUse(facts, cluster).map(({ group }) => group.name),
  );
  return groups.length === 0
    ? []
    : [
        {
          id: 'availability',
          severity: 'ok',
          object: `resource group ${groups.join(', ')}`,
          what: 'quorum, and guests wait for a network that is cut',
        },
      ];
}

interface GroupInUse {
  readonly group: ResourceGroup;
  readonly placements: readonly PlacementSettings[];
  readonly datastores: readonly number[];
}

/** Groups that a datastore of ours makes volumes in, with DRBD and more than one replica: nothing else has a quorum. */
function groupsInUse(facts: Facts, cluster: ClusterFacts): GroupInUse[] {
  const found = cluster.datastores.flatMap((id) => {
    const settings = facts.settings.get(id);
    if (!settings?.ok) return [];
    const { placement } = settings.value;
    const group = orElse(cluster.groups, []).find((each) =>
      sameName(each.name, placement.resourceGroup ?? 'DfltRscGrp'),
    );
    return group && isReplicated(group, placement) ? [{ id, group, placement }] : [];
  });
  return [...Map.groupBy(found, ({ group }) => group.name).values()].flatMap((same) => {
    const group = same[0]?.group;
    return group
      ? [{ group, placements: same.map((each) => each.placement), datastores: same.map(({ id }) => id) }]
      : [];
  });
}

function isReplicated(group: ResourceGroup, placement: PlacementSettings): boolean {
  const layers = placement.layerList.length > 0 ? placement.layerList : (group.filter.layers ?? ['DRBD']);
  return layers.includes('DRBD') && replicasOf(group, placement) > 1;
}

const replicasOf = (group: ResourceGroup, { nodeList, replicaCount }: PlacementSettings): number =>
  nodeList.length > 0 ? nodeList.length : (replicaCount ?? group.filter.placeCount ?? 1);

/** What every guest of a replicated group should have; `key` is LINSTOR's property, `good` what keeps guests alive and data whole. */
const policy = [
  {
    key: quorumKeys.onNoQuorum,
    good: 'suspend-io',
    attribute: 'ON_NO_QUORUM',
    fallback: 'io-error',
    why: 'a host that loses its peers for two seconds gives its guests I/O errors, and their file systems turn read-only',
  },
  {
    key: quorumKeys.onNoData,
    good: 'suspend-io',
    attribute: 'ON_NO_DATA_ACCESSIBLE',
    fallback: 'io-error',
    why: 'a host without a replica gives its guests I/O errors when the last node with data is gone for a moment',
  },
  {
    key: quorumKeys.onSuspendedPrimaryOutdated,
    good: 'force-secondary',
    attribute: 'ON_SUSPENDED_PRIMARY_OUTDATED',
    fallback: 'disconnect',
    why: 'a host that comes back after its VM was started elsewhere stays apart from its peers until somebody looks after it',
  },
] as const;

/** Attributes of a datastore for what the group does not set as its guests need it. */
export function attributesFor(
  group: ResourceGroup,
  replicas: number,
  controller: Readonly<Record<string, string>>,
): Record<string, string> {
  if (replicas < 2 || !(group.filter.layers ?? ['DRBD']).includes('DRBD')) return {};
  return Object.fromEntries(
    policy
      .filter(
        ({ key, good, fallback }) => (effectiveProp(key, {}, group.props, controller) ?? fallback) !== good,
      )
      .map(({ attribute, good }) => [attribute, good]),
  );
}

function checkGroups(facts: Facts, cluster: ClusterFacts): Finding[] {
  if (!cluster.properties.ok) return [];
  const controller = cluster.properties.value;
  return groupsInUse(facts, cluster).flatMap(({ group, placements, datastores }) => {
    const object = `resource group ${group.name}`;
    const wanted = placements.map((placement) => quorumProps(placement, ['DRBD']));
    /** Everything that new volumes of the group get: by the datastore's own attribute, else by the group. */
    const values = (key: string, fallback: string): string[] => [
      ...new Set(
        wanted.map((own) => (effectiveProp(key, own, group.props, controller) ?? fallback).toLowerCase()),
      ),
    ];
    const findings: Finding[] = [];
    if (values(quorumKeys.quorum, 'majority').includes('off'))
      findings.push({
        id: 'availability.quorum',
        severity: 'fail',
        object,
        what: `quorum is off (datastores ${datastores.join(', ')})`,
        why: 'after a cut of the network both sides write, and one side’s writes are thrown away afterwards',
        remedy: `linstor resource-group set-property ${group.name} ${quorumKeys.quorum} majority\nor, in the datastore: QUORUM="majority"`,
      });
    const bad = policy.filter(({ key, good, fallback }) => values(key, fallback).some((has) => has !== good));
    if (bad.length > 0)
      findings.push({
        id: 'availability.policy',
        severity: 'warn',
        object,
        what: bad
          .map(({ key, fallback }) => `${key.split('/').at(-1)} is ${values(key, fallback).join(' and ')}`)
          .join(', '),
        why: bad.map(({ why }) => why).join('; '),
        remedy: [
          ...bad.map(({ key, good }) => `linstor resource-group set-property ${group.name} ${key} ${good}`),
          `or, in the datastore: ${bad.map(({ attribute, good }) => `${attribute}="${good}"`).join(' ')}`,
        ].join('\n'),
      });
    return [...findings, ...checkThirdNode(cluster, { group, placements, datastores }, object)];
  });
}

/** Two replicas have no majority without each other: it takes a third node, and LINSTOR has to be allowed to use it. */
function checkThirdNode(cluster: ClusterFacts, { group, placements }: GroupInUse, object: string): Finding[] {
  if (!(cluster.nodes.ok && cluster.properties.ok)) return [];
  const even = placements.filter((placement) => replicasOf(group, placement) % 2 === 0);
  if (even.length === 0) return [];
  const nodes = drbdNodes(cluster.nodes.value);
  if (nodes.length < 3)
    return [
      {
        id: 'availability.nodes',
        severity: 'warn',
        object,
        what: `LINSTOR has ${nodes.length} nodes with DRBD (${nodes.map(({ name }) => name).join(', ')})`,
        why: 'two nodes have no quorum: after a cut of the network both sides write, and no host can be fenced by it',
        remedy:
          'add a third node; it needs no storage pool: on it install DRBD and the satellite, then linstor node create NAME ADDRESS',
      },
    ];
  const controller = cluster.properties.value;
  const without = even.filter((placement) => {
    const own = quorumProps(placement, ['DRBD']);
    return effectiveProp(quorumKeys.tieBreaker, own, group.props, controller)?.toLowerCase() === 'false';
  });
  if (without.length === 0) return [];
  return [
    {
      id: 'availability.tie-breaker',
      severity: 'warn',
      object,
      what: 'two replicas get no tie-breaker',
      why: 'without a third node they have no quorum: after a cut of the network both sides write',
      remedy: `linstor resource-group set-property ${group.name} ${quorumKeys.tieBreaker} true\nor, in the datastore: QUORUM_TIE_BREAKER="yes"`,
    },
  ];
}

/** A satellite that is away tells of no layers; it counts. */
const drbdNodes = (nodes: readonly Node[]): Node[] =>
  nodes.filter(
    (node) =>
      node.type !== 'CONTROLLER' &&
      node.type !== 'AUXILIARY' &&
      (node.status !== 'ONLINE' || node.layers.includes('DRBD')),
  );

/** With two nodes there is nowhere to put what is evicted: the node is given up, and nothing is gained (linstor-behaviour §7.8). */
function checkEviction(facts: Facts, cluster: ClusterFacts): Finding[] {
  if (!(cluster.nodes.ok && cluster.properties.ok) || groupsInUse(facts, cluster).length === 0) return [];
  const storing = drbdNodes(cluster.nodes.value).filter((node) =>
    orElse(cluster.pools, []).some((pool) => isReal(pool) && sameName(pool.node, node.name)),
  );
  const allowed = cluster.properties.value['DrbdOptions/AutoEvictAllowEviction'] ?? 'True';
  if (storing.length !== 2 || allowed.toLowerCase() === 'false') return [];
  return [
    {
      id: 'availability.evict',
      severity: 'warn',
      object: cluster.label,
      what: `AutoEvict is on, and only ${storing.map(({ name }) => name).join(' and ')} hold data`,
      why: 'a node that is away for long is given up although nothing can take its place; it has to be restored by hand',
      remedy: 'linstor controller set-property DrbdOptions/AutoEvictAllowEviction false',
    },
  ];
}

/** A VM that OpenNebula has elsewhere, or not at all, still has its disk open: it may run twice. */
function checkPrimaries(facts: Facts, cluster: ClusterFacts): Finding[] {
  if (!(facts.one.vms.ok && cluster.resources.ok && cluster.nodes.ok)) return [];
  const nodes = cluster.nodes.value;
  const vms = new Map(facts.one.vms.value.map((vm) => [vm.id, vm]));
  return cluster.resources.value.flatMap((replica): Finding[] => {
    const parsed = parseResource(cluster.settings.namePrefix, replica.name);
    if (replica.inUse !== true || parsed?.kind !== 'disk' || parsed.vmId === undefined) return [];
    const vm = vms.get(parsed.vmId);
    const places = (vm?.history ?? []).slice(-2);
    const here = places.some(
      ({ hostname }) => nodeOfHost(hostname, nodes, cluster.settings.nodeMap)?.name === replica.node,
    );
    // A migration, and a save-as or a backup that reads on a bridge, have it open where the VM is not.
    const moving = vm?.state === vmState.ACTIVE && vm.lcmState !== 3;
    if (here || moving) return [];
    const where = places.at(-1)?.hostname;
    return [
      {
        id: 'availability.primary',
        severity: 'warn',
        object: replica.name,
        what: `it is open on ${replica.node}, ${
          vm === undefined
            ? `and OpenNebula has no VM ${parsed.vmId}`
            : `and VM ${vm.id} is on ${where ?? 'no host'}`
        }`,
        why: 'a forgotten process of that VM may still run there and write',
        remedy: `# on ${replica.node}, as root:\nvirsh list --all; fuser -v ${replica.volumes[0]?.devicePath ?? `/dev/drbd/by-res/${replica.name}/0`}`,
      },
    ];
  });
}

/** Nodes of a resource speak a common protocol, but features (and bugs) are those of the oldest. */
function checkModules(facts: Facts): Finding[] {
  const versions = [...facts.hosts].flatMap(([host, known]) =>
    known.ok && /^9\./.test(known.value.drbd) ? [{ host, version: known.value.drbd }] : [],
  );
  const byVersion = Map.groupBy(versions, ({ version }) => version);
  if (byVersion.size < 2) return [];
  return [
    {
      id: 'availability.modules',
      severity: 'warn',
      what: `hosts have different DRBD modules: ${[...byVersion]
        .map(([version, hosts]) => `${version} on ${hosts.map(({ host }) => host).join(', ')}`)
        .join('; ')}`,
      why: 'a resource can do what its oldest node can; mixed versions are for the time of an upgrade',
      remedy: 'upgrade drbd-dkms (or kmod-drbd9x) and drbd-utils on all hosts to one version',
    },
  ];
}

/** What a host that was dead, or could not be reached when its VM left, has kept: links to disks that are elsewhere now. */
function checkDirectories(facts: Facts): Finding[] {
  const { vms, datastores } = facts.one;
  if (!vms.ok || !datastores.ok) return [];
  const known = new Map(vms.value.map((vm) => [vm.id, vm]));
  return [...facts.hosts].flatMap(([host, answer]): Finding[] => {
    if (!answer.ok) return [];
    const left = answer.value.vmDirectories.filter(({ vm: id }) => {
      const vm = known.get(id);
      // A VM that is on its way has two places.
      const settled = vm === undefined || vm.state !== vmState.ACTIVE || vm.lcmState === 3;
      return settled && !(vm?.history ?? []).slice(-1).some(({ hostname }) => sameName(hostname, host));
    });
    const [first] = left;
    if (!first) return [];
    const path = ({ datastore, vm }: (typeof left)[number]): string =>
      `${datastores.value.find(({ id }) => id === datastore)?.basePath.replaceAll(/\/+/g, '/') ?? datastore}/${vm}`;
    return [
      {
        id: 'availability.directories',
        severity: 'info',
        object: host,
        what: `it keeps directories of VMs that are not there: ${left
          .slice(0, 5)
          .map(({ vm }) => vm)
          .join(', ')}${left.length > 5 ? ` and ${left.length - 5} more` : ''}`,
        why: 'the host could not be reached when they left; the links in them lead to disks that are in use elsewhere',
        remedy: `on ${host}: ls -l ${path(first)}; virsh list --all; then rm -r ${path(first)}`,
      },
    ];
  });
}

/** As OpenNebula ships it, `fence_host.sh` ends in exit 1: the host hook then does nothing for the VMs of a dead host. */
function checkFenceScript(facts: Facts): Finding[] {
  const { hooks } = facts.one;
  if (!hooks.ok) return [];
  const ours = hooks.value.filter((hook) => /(?:^|\/)host_error\.rb$/.test(hook.command));
  if (ours.length === 0) return [];
  const object = `host hook ${ours.map(({ name }) => name).join(', ')}`;
  const unfenced = ours.filter((hook) => /(?:^|\s)(?:-\w*u\w*|--no-fencing)(?:\s|$)/.test(hook.arguments));
  const findings: Finding[] = [];
  if (unfenced.length > 0)
    findings.push({
      id: 'availability.fencing',
      severity: 'fail',
      object,
      what: 'the hook is registered with -u: it starts VMs elsewhere without fencing their host',
      why: 'a host that has only lost its network still runs them, and both copies write',
      remedy: `onehook update ${unfenced[0]?.id}   # ARGUMENTS without -u; then docs/high-availability.md`,
    });
  else if (facts.files.fenceScript === 'stub' || facts.files.fenceScript === 'missing')
    findings.push({
      id: 'availability.fencing',
      severity: 'warn',
      object,
      what: `hooks/ft/fence_host.sh is ${facts.files.fenceScript === 'stub' ? 'as OpenNebula ships it: it always fails' : 'not there'}`,
      why: 'when a host dies, its VMs stay where they are',
      remedy: `let ${facts.layout.remotes}/hooks/ft/fence_host.sh call “linstor_un fence”: docs/high-availability.md`,
    });
  return findings;
}
