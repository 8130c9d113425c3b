import type { Context } from '../../context.ts';
import { isOurs } from '../../disks/disk-call.ts';
import { DriverError, toDriverError } from '../../errors.ts';
import { type Layout, onDisk } from '../../install/layout.ts';
import { isHighAvailability } from '../../install/plan.ts';
import { moveStore } from '../../move/note.ts';
import type { Datastore } from '../../opennebula/one.ts';
import type { Settings } from '../../opennebula/settings.ts';
import { datastoreType } from '../../opennebula/states.ts';
import { keptStore } from '../../volumes/kept-parts.ts';
import { trashStore } from '../../volumes/trash.ts';
import type { ClusterFacts, ClusterView, Facts, FileFacts, FrontEndFact, Known, OneFacts } from './facts.ts';
import { probeFrontEnd } from './front-end-tools.ts';
import { attempt, gatherFiles } from './gather-files.ts';
import { type HostFacts, hostStagingDir, probeHost } from './host-probe.ts';

export interface GatherOptions {
  readonly layout: Layout;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly now: () => number;
  /** Without it nobody is asked over ssh. */
  readonly askHosts: boolean;
  /** Why linstor_un.conf cannot be read: LINSTOR is not asked then, for another one might answer. */
  readonly configError?: DriverError;
}

/** Asks everybody at once and waits for the slowest; nothing here throws. */
export async function gatherFacts(context: Context, options: GatherOptions): Promise<Facts> {
  const files = gatherFiles(options.layout, options.env);
  const [withoutHooks, hooks] = await Promise.all([gatherOne(context), known(() => context.one.hooks())]);
  const one = { ...withoutHooks, hooks };
  const ours = one.datastores.ok ? one.datastores.value.filter(isOurs) : [];
  const { configError } = options;
  const settings = new Map(
    configError ? [] : ours.map((item) => [item.id, attempt(() => context.settings(item.template))] as const),
  );
  const [clusters, hosts, frontEnds, tools] = await Promise.all([
    configError ? [] : gatherClusters(context, ours, settings, options.now),
    options.askHosts ? gatherHosts(context, one, settings, options.now) : new Map<string, Known<HostFacts>>(),
    options.askHosts ? gatherFrontEnds(context, options.layout, files) : [],
    known(() => probeFrontEnd(context.hosts)),
  ]);
  return {
    layout: options.layout,
    version: options.version,
    now: options.now(),
    files,
    one,
    settings,
    clusters,
    hosts,
    frontEnds,
    tools,
    ...(configError ? { configError } : {}),
  };
}

/** What `status` shows: OpenNebula and every LINSTOR that a datastore of ours uses. */
export async function gatherStatus(
  context: Context,
  layout: Layout,
  now: () => number,
): Promise<ClusterView> {
  const one = await gatherOne(context);
  const ours = one.datastores.ok ? one.datastores.value.filter(isOurs) : [];
  const settings = new Map(
    ours.map((item) => [item.id, attempt(() => context.settings(item.template))] as const),
  );
  const clusters = await gatherClusters(context, ours, settings, now);
  return { layout, now: now(), one, settings, clusters };
}

async function known<T>(work: () => Promise<T>): Promise<Known<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error: toDriverError(error) };
  }
}

async function gatherOne({ one }: Context): Promise<OneFacts> {
  const [version, hosts, datastores, vms, images] = await Promise.all([
    known(() => one.version()),
    known(() => one.hosts()),
    known(() => one.datastores()),
    known(() => one.vms()),
    known(() => one.images()),
  ]);
  return { version, hosts, datastores, vms, images, hooks: { ok: true, value: [] } };
}

/** Datastores that reach the same controllers are one cluster. Without a datastore: the one that the defaults lead to. */
async function gatherClusters(
  context: Context,
  datastores: readonly Datastore[],
  settings: ReadonlyMap<number, Known<Settings>>,
  now: () => number,
): Promise<ClusterFacts[]> {
  const byAddress = new Map<string, { settings: Settings; datastores: number[] }>();
  for (const datastore of datastores) {
    const found = settings.get(datastore.id);
    if (!found?.ok) continue;
    const key = [found.value.transport, ...found.value.controllers].join(' ');
    const group = byAddress.get(key) ?? { settings: found.value, datastores: [] };
    group.datastores.push(datastore.id);
    byAddress.set(key, group);
  }
  if (byAddress.size === 0) {
    const defaults = attempt(() => context.settings());
    if (defaults.ok) byAddress.set('', { settings: defaults.value, datastores: [] });
  }
  return Promise.all([...byAddress.values()].map((group) => gatherCluster(context, group, now)));
}

async function gatherCluster(
  context: Context,
  group: { settings: Settings; datastores: number[] },
  now: () => number,
): Promise<ClusterFacts> {
  const { settings, datastores } = group;
  const label = settings.controllers.join(', ');
  const opened = attempt(() => context.linstor(settings));
  if (!opened.ok) return unreachable(label, datastores, settings, opened.error);
  const linstor = opened.value;
  const started = now();
  const capabilities = await known(() => linstor.capabilities());
  const latencyMs = now() - started;
  if (!capabilities.ok) return unreachable(label, datastores, settings, capabilities.error);
  const [
    nodes,
    pools,
    groups,
    definitions,
    resources,
    snapshots,
    properties,
    kept,
    trash,
    moves,
    encryption,
  ] = await Promise.all([
    known(() => linstor.nodes()),
    known(() => linstor.storagePools()),
    known(() => linstor.resourceGroups()),
    known(() => linstor.definitions()),
    known(() => linstor.resources()),
    known(() => linstor.snapshots()),
    known(() => linstor.controllerProperties()),
    known(() => linstor.keyValues(keptStore)),
    known(() => linstor.keyValues(trashStore(settings.namePrefix))),
    known(() => linstor.keyValues(moveStore(settings.namePrefix))),
    known(() => linstor.encryption()),
  ]);
  return {
    label,
    datastores,
    settings,
    latencyMs,
    capabilities,
    nodes,
    pools,
    groups,
    definitions,
    resources,
    snapshots,
    properties,
    kept,
    trash,
    moves,
    encryption,
  };
}

function unreachable(
  label: string,
  datastores: readonly number[],
  settings: Settings,
  error: DriverError,
): ClusterFacts {
  const none = { ok: false, error } as const;
  return {
    label,
    datastores,
    settings,
    latencyMs: 0,
    capabilities: none,
    nodes: none,
    pools: none,
    groups: none,
    definitions: none,
    resources: none,
    snapshots: none,
    properties: none,
    kept: none,
    trash: none,
    moves: none,
    encryption: none,
  };
}

/** Hosts that may run VMs, and bridges that are not among them. */
async function gatherHosts(
  context: Context,
  one: OneFacts,
  settings: ReadonlyMap<number, Known<Settings>>,
  now: () => number,
): Promise<Map<string, Known<HostFacts>>> {
  const all = [...settings.values()].flatMap((item) => (item.ok ? [item.value] : []));
  const names = new Set([
    ...(one.hosts.ok ? one.hosts.value.filter((host) => host.enabled).map((host) => host.name) : []),
    ...all.flatMap((item) => item.bridgeList),
  ]);
  const stores = one.datastores.ok
    ? one.datastores.value
        .filter((item) => isOurs(item) && item.type === datastoreType.SYSTEM && item.basePath !== '')
        .map((item) => item.basePath.replaceAll(/\/+/g, '/'))
    : [];
  const answers = await Promise.all(
    [...names].map(
      async (host) =>
        [host, await known(() => probeHost(context.hosts, host, hostStagingDir, now, stores))] as const,
    ),
  );
  return new Map(answers);
}

const zoneScript = 'onezone show -x "$1"';
const versionScript = 'sha256sum -- "$1" 2>/dev/null | cut -d" " -f1; "$1" version';

/** Every other front-end of the zone is asked for its program. */
async function gatherFrontEnds(context: Context, layout: Layout, files: FileFacts): Promise<FrontEndFact[]> {
  if (!files.onedConf.ok) return [];
  const text = files.onedConf.value;
  if (!isHighAvailability(text)) return [];
  const zone = await known(() =>
    context.hosts.local({ verb: 'zone', script: zoneScript, args: [zoneIdOf(text)], timeoutMs: 20_000 }),
  );
  if (!zone.ok) return [{ host: 'zone', version: zone }];
  const endpoints = [...zone.value.stdout.matchAll(/<ENDPOINT>(?:<!\[CDATA\[)?https?:\/\/([^:/\]]+)/g)].map(
    (found) => found[1] ?? '',
  );
  const others = [...new Set(endpoints)].filter((host) => host !== '' && !context.hosts.isFrontend(host));
  return Promise.all(others.map((host) => askFrontEnd(context, host, onDisk(layout, layout.binary))));
}

function zoneIdOf(onedConf: string): string {
  return /^\s*ZONE_ID\s*=\s*"?(\d+)/m.exec(onedConf)?.[1] ?? '0';
}

async function askFrontEnd(context: Context, host: string, binary: string): Promise<FrontEndFact> {
  const answer = await known(() =>
    context.hosts.run(host, { verb: 'version', script: versionScript, args: [binary], timeoutMs: 20_000 }),
  );
  if (!answer.ok) return { host, version: answer };
  const [sha256 = '', line = ''] = answer.value.stdout.trim().split('\n');
  const version = /^linstor_un (\S+)/.exec(line)?.[1];
  if (!version) {
    return {
      host,
      version: { ok: false, error: new DriverError('HOST_COMMAND', `${binary} is not installed on ${host}`) },
    };
  }
  return { host, version: { ok: true, value: version }, sha256 };
}
