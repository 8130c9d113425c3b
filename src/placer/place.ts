import type { Context } from '../context.ts';
import { matchHost } from '../disks/host-node.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { readDatastore } from '../opennebula/datastore-document.ts';
import { driverName } from '../opennebula/driver-name.ts';
import type { Datastore, Disk, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { readVm } from '../opennebula/vm-document.ts';
import { parseXml, poolLimit } from '../opennebula/xml.ts';
import { resourceOfDisk } from '../volumes/disk.ts';
import { namesFor, resourceOfSource } from '../volumes/names.ts';
import { isDiskful, replicasOf } from '../volumes/replicas.ts';
import { type Wish, withWishes } from './message.ts';

interface Host {
  readonly id: number;
  readonly name: string;
}

/** Where a disk is, or what it will be made of where that is. */
interface Located {
  readonly size: number;
  readonly linstor: Linstor;
  readonly settings: Settings;
  /** The first that has replicas counts. */
  readonly names: readonly (readonly ResourceName[])[];
}

/**
 * The message of the scheduler, with the wishes of VMs whose datastores have LOCALITY. LINSTOR is asked for what its controller knows by itself.
 * Throws whatever goes wrong: the caller hands on what came.
 */
export async function placeByData(ctx: Context, xml: string, defaultRank: string): Promise<string> {
  const root = parseXml(xml, 'SCHEDULER_DRIVER_ACTION', {
    what: 'message of the scheduler',
    maxChars: poolLimit,
  });
  const part = (pool: string, name: string) => root.first(pool)?.all(name) ?? [];
  const datastores = new Map(
    part('DATASTORE_POOL', 'DATASTORE').map((element) => {
      const datastore = readDatastore(element);
      return [datastore.id, datastore] as const;
    }),
  );
  const hosts = part('HOST_POOL', 'HOST').map((element) => ({
    id: Number(element.value('ID')),
    name: element.value('NAME') ?? '',
  }));
  const vms = part('VM_POOL', 'VM').map((element) => readVm(element));
  const wishes: Wish[] = [];
  for (const vm of vms) {
    const wish = await wishOf(ctx, vm, datastores, hosts);
    if (wish) wishes.push(wish);
  }
  return withWishes(xml, wishes, defaultRank);
}

/** Tokens and passwords are encrypted in the message: oned has to tell them. */
const secrets = ['LS_TOKEN', 'LS_PASSWORD'];

async function settingsFor(ctx: Context, datastores: readonly (Datastore | undefined)[]): Promise<Settings> {
  const ours = datastores.filter(
    (each) => each !== undefined && [each.tmMad, each.dsMad].includes(driverName),
  );
  const readable = await Promise.all(
    ours.map(async (each) => {
      const known = each as Datastore;
      return secrets.some((name) => known.template[name] !== undefined) ? ctx.one.datastore(known.id) : known;
    }),
  );
  return ctx.settings(...readable.map(({ template }) => template));
}

async function wishOf(
  ctx: Context,
  vm: Vm,
  datastores: ReadonlyMap<number, Datastore>,
  hosts: readonly Host[],
): Promise<Wish | undefined> {
  const system = datastores.get(vm.history.at(-1)?.datastoreId ?? -1);
  const located: Located[] = [];
  let strict = false;
  for (const disk of vm.disks.filter(({ tmMad, kind }) => tmMad === driverName && kind !== 'filesystem')) {
    const settings = await settingsFor(ctx, [datastores.get(disk.datastoreId ?? -1), system]);
    if (settings.locality === 'off') continue;
    strict ||= settings.locality === 'require';
    const names = namesOf(vm, disk, settings);
    located.push({ size: Math.max(1, disk.sizeMib), linstor: ctx.linstor(settings), settings, names });
  }
  const found = await Promise.all(located.map((each) => sharesOf(each, hosts)));
  const known = found.filter((each) => each !== undefined);
  const total = known.reduce((sum, { size }) => sum + size, 0);
  if (total === 0) return undefined;
  const shares = new Map(
    hosts.map(({ id }) => {
      const here = known.filter((each) => each.hosts.has(id)).reduce((sum, { size }) => sum + size, 0);
      return [id, Math.floor((here * 100) / total)] as const;
    }),
  );
  return { vm: vm.id, shares, strict };
}

/**
 * The disk itself if it is there. A clone by snapshot will be where its image is; a copy goes to whatever host the VM gets, for LOCALITY asks
 * for that too.
 */
function namesOf(vm: Vm, disk: Disk, settings: Settings): ResourceName[][] {
  const { resource, ownedByVm } = resourceOfDisk(vm, disk, settings.namePrefix);
  if (!ownedByVm) return [[resource]];
  const isShared = disk.kind === 'clone' && settings.cloneMode !== 'copy';
  return [[...namesFor(resource)], ...(isShared ? [[resourceOfSource(disk.source)]] : [])];
}

async function sharesOf(
  { size, linstor, settings, names }: Located,
  hosts: readonly Host[],
): Promise<{ readonly size: number; readonly hosts: ReadonlySet<number> } | undefined> {
  for (const group of names) {
    const replicas = (await linstor.replicas(group)).filter(isDiskful);
    const name = group.find((each) => replicasOf(replicas, each).length > 0);
    if (name === undefined) continue;
    const nodes = replicasOf(replicas, name).map(({ node }) => node);
    const all = await linstor.nodes();
    const here = hosts.filter((host) => {
      const node = matchHost(host.name, all, settings.nodeMap)?.node.name;
      return node !== undefined && nodes.some((each) => each.toLowerCase() === node.toLowerCase());
    });
    return { size, hosts: new Set(here.map(({ id }) => id)) };
  }
  return undefined;
}
