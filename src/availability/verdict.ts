import type { Node, Replica, ResourceDefinition } from '../linstor/linstor.ts';
import { properName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import type { HostDisk } from './disks-on-host.ts';
import type { KernelResource, KernelView } from './kernel-view.ts';

/** What is known when a host is judged. */
export interface Evidence {
  /** The host as DRBD may call it: node name, `NodeUname`, host name. Lower case. */
  readonly names: readonly string[];
  /** Answers of kernels of other hosts; of those that did not answer, why. */
  readonly views: readonly KernelView[];
  readonly silent: ReadonlyMap<string, string>;
  /** Absent where no controller answers. */
  readonly linstor?: LinstorEvidence;
}

export interface LinstorEvidence {
  readonly node?: Node;
  readonly nodes: readonly Node[];
  readonly definitions: readonly ResourceDefinition[];
  /** Of the resources in question. */
  readonly replicas: readonly Replica[];
  /** Epoch milliseconds since which the node is away, as the controller has it. */
  readonly lostAt?: number;
}

export interface DiskVerdict {
  readonly vm: number;
  readonly disk: number;
  readonly resource?: string;
  /** No write of the host's can complete any more. */
  readonly safe: boolean;
  readonly why: string;
}

/**
 * Can the disk still be written from the host? Only what cannot be otherwise counts as no: every other node of the resource has been asked,
 * none is connected to the host, and all of them have a quorum that the host is no part of (linstor-behaviour §13.1).
 */
export function judgeDisk(disk: HostDisk, evidence: Evidence): DiskVerdict[] {
  const { vm, disk: id } = disk;
  if (disk.resource === undefined) {
    const why = disk.local
      ? 'lies on the host itself, where no other node can open it'
      : `belongs to ${disk.foreign}: it is not known whether it is written`;
    return [{ vm, disk: id, safe: disk.local, why }];
  }
  const names = namesInUse(disk.resource, evidence);
  if (names.length === 0)
    return [
      {
        vm,
        disk: id,
        resource: disk.resource,
        safe: false,
        why: 'no node that was asked knows its resource',
      },
    ];
  return names.map((resource) => ({ vm, disk: id, resource, ...judgeResource(resource, evidence) }));
}

/** The proper name, and stand-ins that are there beside it. */
function namesInUse(proper: string, { views, linstor }: Evidence): string[] {
  const isIt = (name: string): boolean => sameName(properName(name), proper);
  const known = [
    ...views.flatMap((view) => [...view.resources.values()].map(({ name }) => name)),
    ...(linstor?.definitions ?? []).map(({ name }) => name as string),
  ].filter(isIt);
  return [...new Map(known.map((name) => [name.toLowerCase(), name])).values()];
}

interface Judged {
  readonly safe: boolean;
  readonly why: string;
}
const no = (why: string): Judged => ({ safe: false, why });

function judgeResource(name: string, evidence: Evidence): Judged {
  const { names, views, linstor } = evidence;
  const key = name.toLowerCase();
  const replicas = (linstor?.replicas ?? []).filter((replica) => sameName(replica.name, name));
  const holders = views.flatMap((view) => {
    const resource = view.resources.get(key);
    return resource ? [{ uname: view.uname.toLowerCase(), resource }] : [];
  });
  if (holders.length === 0) return judgeUnseen(name, evidence, replicas);
  const connected = holders.filter(({ resource }) => peerOf(resource, names)?.connected);
  if (connected.length > 0) return no(`${listed(connected)} connected to it`);
  const strangers = holders.filter(({ resource }) => peerOf(resource, names) === undefined);
  if (strangers.length === holders.length && linstor && !isOn(replicas, names, linstor))
    return { safe: true, why: 'is not on that host' };
  if (strangers.length > 0) return no(`${listed(strangers)} not told any more that the host has it`);
  const off = holders.filter(({ resource }) => !['majority', 'all'].includes(resource.quorum ?? ''));
  if (off.length > 0)
    return no(
      `quorum is ${off[0]?.resource.quorum ?? 'unknown'} on ${off.map(({ uname }) => uname).join(', ')}`,
    );
  const lost = holders.filter(({ resource }) => !resource.hasQuorum);
  if (lost.length > 0) return no(`${lost.map(({ uname }) => uname).join(', ')} without quorum`);
  const hasty = holders.filter(({ resource }) => peerOf(resource, names)?.protocol !== 'C');
  if (hasty.length > 0)
    return no('it is not replicated by protocol C: writes complete before a peer has them');
  const unasked = othersOf(holders, names).filter((peer) => !holders.some(({ uname }) => uname === peer));
  const doubtful = unasked.filter((peer) => !isVouchedFor(peer, holders, replicas, evidence));
  if (doubtful.length > 0) return no(`${doubtful.join(', ')} cannot be asked whether it is connected to it`);
  const late = addedLater(replicas, names, linstor);
  if (late) return no(late);
  return { safe: true, why: `${holders.map(({ uname }) => uname).join(', ')} have quorum without it` };
}

const listed = (holders: readonly { readonly uname: string }[]): string =>
  `${holders.map(({ uname }) => uname).join(', ')} ${holders.length === 1 ? 'is' : 'are'}`;

const peerOf = (resource: KernelResource, names: readonly string[]) =>
  [...resource.peers].find(([peer]) => names.includes(peer))?.[1];

/** Nodes of the resource beside the host, as its holders know them. */
function othersOf(
  holders: readonly { readonly resource: KernelResource }[],
  names: readonly string[],
): string[] {
  const all = holders.flatMap(({ resource }) => [...resource.peers.keys()]);
  return [...new Set(all)].filter((peer) => !names.includes(peer));
}

/** No kernel that was asked has it. */
function judgeUnseen(name: string, { names, linstor }: Evidence, replicas: readonly Replica[]): Judged {
  if (!linstor) return no('no host that was asked has it, and LINSTOR does not answer');
  const definition = linstor.definitions.find((item) => sameName(item.name, name));
  if (definition && !isOn(replicas, names, linstor)) return { safe: true, why: 'is not on that host' };
  if (definition && !definition.layers.includes('DRBD'))
    return no('is plain storage of that host: no other node sees whether it is written');
  return no('has no other node that could be asked');
}

function isOn(replicas: readonly Replica[], names: readonly string[], { nodes }: LinstorEvidence): boolean {
  return replicas.some(({ node }) => namesOfNode(node, nodes).some((name) => names.includes(name)));
}

const namesOfNode = (node: string, nodes: readonly Node[]): string[] => {
  const uname = nodes.find((each) => sameName(each.name, node))?.props['NodeUname'];
  return [node.toLowerCase(), ...(uname === undefined ? [] : [uname.toLowerCase()])];
};

/**
 * A node that ssh does not reach – a tie-breaker that is no host of OpenNebula's – may be vouched for: somebody who has quorum sees it
 * connected, so it is on this side of a cut, and its satellite tells LINSTOR that it does not see the host.
 */
function isVouchedFor(
  peer: string,
  holders: readonly { readonly resource: KernelResource }[],
  replicas: readonly Replica[],
  { names, linstor }: Evidence,
): boolean {
  if (!linstor) return false;
  const replica = replicas.find(({ node }) => namesOfNode(node, linstor.nodes).includes(peer));
  const node = replica && linstor.nodes.find((each) => sameName(each.name, replica.node));
  if (!replica?.stateKnown || node?.status !== 'ONLINE') return false;
  const seen = holders.some(({ resource }) => resource.hasQuorum && resource.peers.get(peer)?.connected);
  const links = Object.entries(replica.connections).filter(([other]) =>
    namesOfNode(other, linstor.nodes).some((each) => names.includes(each)),
  );
  return seen && links.length > 0 && links.every(([, link]) => !link.connected);
}

/** Replicas of a volume are made together, within that time. */
const togetherMs = 10 * 60_000;

/**
 * The host goes on with the quorum of its own last configuration: it does not count a node that came after it was lost. Where LINSTOR does not tell
 * when that was, as without AutoEvict, whatever came after the host's own replica may have.
 */
function addedLater(
  replicas: readonly Replica[],
  names: readonly string[],
  linstor: LinstorEvidence | undefined,
): string | undefined {
  if (!linstor || linstor.node?.status === 'ONLINE') return undefined;
  const isOwn = ({ node }: Replica): boolean =>
    namesOfNode(node, linstor.nodes).some((each) => names.includes(each));
  const ownAt = replicas.find(isOwn)?.createdAt;
  const since = linstor.lostAt ?? (ownAt === undefined ? undefined : ownAt + togetherMs);
  if (since === undefined) return undefined;
  const late = replicas.filter(
    (replica) => replica.createdAt !== undefined && replica.createdAt > since && !isOwn(replica),
  );
  if (late.length === 0) return undefined;
  const where = late.map(({ node }) => node).join(', ');
  return linstor.lostAt === undefined
    ? `${where} got it after the host did, and LINSTOR does not tell since when the host is away: it may not count that one`
    : `${where} got it after the host was lost: the host does not count it`;
}
