import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isBase } from '../../volumes/base.ts';
import { readTrash, trashStore } from '../../volumes/trash.ts';
import { type FaultWorld, nodes } from './world.ts';

/** All that an action can change, in a form in which two equal worlds are equal texts. */
export interface Observation {
  /** Resource → properties, flags, size, replicas. */
  readonly resources: Readonly<Record<string, string>>;
  /** Snapshot → state. */
  readonly snapshots: Readonly<Record<string, string>>;
  /** `resource` with a diskless replica that is no tie-breaker → nodes. */
  readonly attached: Readonly<Record<string, string>>;
  /** Resources on which two primaries are allowed. */
  readonly dualPrimary: readonly string[];
  /** Resource → digest of what it holds, without zeroes at the end; `differs` where replicas disagree. */
  readonly content: Readonly<Record<string, string>>;
  /** Resource → why it is kept. */
  readonly trash: Readonly<Record<string, string>>;
  /** `host:path` below the datastores → what it leads to. */
  readonly links: Readonly<Record<string, string>>;
  /** Files where none may stay. */
  readonly temporary: readonly string[];
  /** `host:domain` → what became of it; absent: it runs. */
  readonly domains?: Readonly<Record<string, string>>;
}

interface RawDefinition {
  name: string;
  flags?: string[];
  props?: Record<string, string>;
  resource_group_name?: string;
  volume_definitions?: { size_kib: number; flags?: string[] }[];
}
interface RawResource {
  name: string;
  node_name: string;
  flags?: string[];
  volumes?: { device_path?: string }[];
}
interface RawSnapshot {
  name: string;
  resource_name: string;
  flags?: string[];
  nodes?: string[];
}

interface RawStore {
  name: string;
  props?: Record<string, string>;
}

const dualPrimary = 'DrbdOptions/Net/allow-two-primaries';
/** Made at random, of this run, told by the controller about itself, or a figure whose absence is no failure. */
const ownProps =
  /^(?:Aux\/one\/(?:MADE_BY|COPY|REGISTRATION|OF_SNAPSHOT)\/|Aux\/one\/SNAPSHOT_\d+\/DISK_SIZE|DrbdPrimarySetOn|DrbdOptions\/auto-verify-algo|DrbdOptions\/Net\/shared)/;

const isDiskless = (resource: RawResource): boolean =>
  resource.flags?.some((flag) => flag === 'DISKLESS' || flag === 'DRBD_DISKLESS') ?? false;
const isTieBreaker = (resource: RawResource): boolean => resource.flags?.includes('TIE_BREAKER') ?? false;

export async function observe(world: FaultWorld): Promise<Observation> {
  const [definitions, resources, snapshots, stores] = (await Promise.all([
    world.linstor('GET', '/v1/resource-definitions?with_volume_definitions=true'),
    world.linstor('GET', '/v1/view/resources'),
    world.linstor('GET', '/v1/view/snapshots'),
    world.linstor('GET', '/v1/key-value-store'),
  ])) as [RawDefinition[], RawResource[], RawSnapshot[], RawStore[]];
  // LINSTOR's own net under a rollback: it takes it away itself, or leaves it for the operator after a failure. A whole snapshot of
  // which clones are made is kept with its image, whatever becomes of the clone.
  const asked = snapshots.filter(
    (snapshot) =>
      !snapshot.name.startsWith('safety-snap-') &&
      !(isBase(snapshot) && snapshot.flags?.includes('SUCCESSFUL')),
  );
  const byName = (name: string): RawResource[] => resources.filter((resource) => resource.name === name);
  const attached = definitions.flatMap(({ name }) => {
    const on = byName(name).filter((resource) => isDiskless(resource) && !isTieBreaker(resource));
    return on.length === 0
      ? []
      : [
          [
            name,
            on
              .map((resource) => resource.node_name)
              .sort()
              .join(','),
          ],
        ];
  });
  return {
    resources: Object.fromEntries(
      definitions.map((definition) => [definition.name, describe(definition, byName(definition.name))]),
    ),
    snapshots: Object.fromEntries(
      asked.map((snapshot) => [
        `${snapshot.resource_name}/${snapshot.name}`,
        `${snapshot.flags?.join() ?? ''} on ${snapshot.nodes?.length ?? 0}`,
      ]),
    ),
    attached: Object.fromEntries(attached),
    dualPrimary: definitions.filter((each) => each.props?.[dualPrimary]).map((each) => each.name),
    content: Object.fromEntries(definitions.map(({ name }) => [name, contentOf(byName(name))])),
    trash: trashIn(stores),
    links: links(world, resources),
    temporary: temporary(world),
    domains: domains(world),
  };
}

/** Without its times, which are of this run. */
const trashIn = (stores: readonly RawStore[]): Record<string, string> =>
  Object.fromEntries(
    readTrash(stores.find(({ name }) => name === trashStore(''))?.props ?? {}).map(({ resource, reason }) => [
      resource,
      reason,
    ]),
  );

/** What the lab's virsh has written down. */
function domains(world: FaultWorld): Record<string, string> {
  const found: Record<string, string> = {};
  for (const node of nodes) {
    const at = join(world.cluster.dir, 'hosts', node, 'domains');
    for (const file of existsSync(at) ? readdirSync(at) : []) {
      if (file.endsWith('.frozen')) found[`${node}:${file.slice(0, -7)}`] = 'frozen';
      else if (/^one-\d+$/.test(file)) found[`${node}:${file}`] = readFileSync(join(at, file), 'utf8').trim();
    }
  }
  return found;
}

function describe(definition: RawDefinition, replicas: readonly RawResource[]): string {
  const props = Object.entries(definition.props ?? {})
    .filter(([key]) => !ownProps.test(key))
    .map(([key, value]) => `${key}=${value}`)
    .sort();
  return JSON.stringify({
    flags: definition.flags ?? [],
    group: definition.resource_group_name,
    props,
    volumes: definition.volume_definitions?.map((volume) => [volume.size_kib, volume.flags ?? []]),
    diskful: replicas.filter((replica) => !isDiskless(replica)).length,
    tieBreakers: replicas.filter(isTieBreaker).length,
    flagsOfReplicas: replicas.flatMap((replica) => replica.flags ?? []).sort(),
  });
}

function contentOf(replicas: readonly RawResource[]): string {
  const digests = new Set(
    replicas
      .filter((replica) => !isDiskless(replica))
      .flatMap((replica) => replica.volumes ?? [])
      .map((volume) => digest(volume.device_path)),
  );
  return digests.size > 1 ? `differs: ${[...digests].join(' ')}` : ([...digests][0] ?? 'none');
}

/** A new file system has a new UUID: it is equal to any other. */
function digest(path: string | undefined): string {
  if (!path || !existsSync(path)) return 'missing';
  const bytes = readFileSync(path);
  if (bytes.length > 0x43a && bytes[0x438] === 0x53 && bytes[0x439] === 0xef) return 'ext';
  if (bytes.subarray(4086, 4096).toString('latin1') === 'SWAPSPACE2') return 'swap';
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 8));
  let end = words.length;
  while (end > 0 && words[end - 1] === 0n) end -= 1;
  return Bun.hash(bytes.subarray(0, end * 8)).toString(16);
}

/** Its device may be given to another volume. */
export const danglingLink = 'link to nothing known';

/** A device's name on a host says nothing in another run: its resource does. */
function links(world: FaultWorld, resources: readonly RawResource[]): Record<string, string> {
  const found: Record<string, string> = {};
  const { paths, dir } = world.cluster;
  const trees: [string, string][] = [
    ['front-end', paths.location],
    ...nodes.map((node): [string, string] => [node, join(dir, 'hosts', node, 'datastores')]),
  ];
  for (const [host, tree] of trees) {
    for (const path of walk(tree)) {
      const state = lstatSync(join(tree, path));
      if (!state.isSymbolicLink()) {
        found[`${host}:${path}`] = state.isDirectory() ? 'directory' : `file of ${state.size}`;
        continue;
      }
      const target = readlinkSync(join(tree, path));
      const owner = resources.find(
        (resource) =>
          target.endsWith(`/by-res/${resource.name}/0`) ||
          resource.volumes?.some((volume) => sameDevice(target, volume.device_path)),
      );
      found[`${host}:${path}`] = owner ? `link to ${owner.name}` : danglingLink;
    }
  }
  return found;
}

/** Device nodes lie below `dev/<node>/`, and each host shows its own under every node's path. */
function sameDevice(target: string, device: string | undefined): boolean {
  if (device === undefined) return false;
  const tail = (path: string): string => path.replace(/^.*\/dev\/[^/]+\//, '');
  return tail(target) === tail(device);
}

function walk(root: string, below = ''): string[] {
  if (!existsSync(join(root, below))) return [];
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name);
    return entry.isDirectory() ? [path, ...walk(root, path)] : [path];
  });
}

function temporary(world: FaultWorld): string[] {
  const places = [world.staging, ...nodes.map((node) => join(world.cluster.dir, 'hosts', node, 'home'))];
  return places.flatMap((place) =>
    walk(place)
      .filter((path) => !statSync(join(place, path), { throwIfNoEntry: false })?.isDirectory())
      .map((path) => join(place, path)),
  );
}

/** Lines that tell two observations apart: `only` in one, or other values. */
export function difference(expected: Observation, found: Observation): string[] {
  const lines: string[] = [];
  for (const part of ['resources', 'snapshots', 'attached', 'content', 'trash', 'links'] as const) {
    for (const key of new Set([...Object.keys(expected[part]), ...Object.keys(found[part])])) {
      const [wanted, is] = [expected[part][key], found[part][key]];
      if (wanted !== is) lines.push(`${part} ${key}: ${is ?? 'absent'} instead of ${wanted ?? 'absent'}`);
    }
  }
  if (expected.dualPrimary.join() !== found.dualPrimary.join())
    lines.push(`two primaries: ${found.dualPrimary.join()} instead of ${expected.dualPrimary.join()}`);
  for (const [domain, state] of Object.entries(found.domains ?? {}))
    if (expected.domains?.[domain] !== state) lines.push(`domain ${domain} is ${state}`);
  if (found.temporary.length > expected.temporary.length) lines.push(`temporary ${found.temporary.join()}`);
  return lines;
}
