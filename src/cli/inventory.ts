import { nodeOfHost } from '../disks/host-node.ts';
import type { Node, Resource, ResourceDefinition, Snapshot } from '../linstor/linstor.ts';
import type { Disk, Image, Vm } from '../opennebula/one.ts';
import { parseResource, properName, resourceKeyOf } from '../volumes/names.ts';
import type { Holder } from './gc/snapshot-leftovers.ts';

/** What LINSTOR and OpenNebula had at one look; never a part of it (an API that did not answer ends `gc`). */
export interface Inventory {
  readonly prefix: string;
  readonly nodeMap: Readonly<Record<string, string>>;
  readonly definitions: readonly ResourceDefinition[];
  readonly resources: readonly Resource[];
  readonly snapshots: readonly Snapshot[];
  readonly nodes: readonly Node[];
  /** Notes of complete copies, by resource. */
  readonly copies?: Readonly<Record<string, string>>;
  /** Notes of parts of deleted snapshots. */
  readonly kept?: Readonly<Record<string, string>>;
  /** Notes of what is in the trash, by resource. */
  readonly trash?: Readonly<Record<string, string>>;
  /** Notes of moves between pools, by resource. */
  readonly moves?: Readonly<Record<string, string>>;
  /** Entries of the store of locks. */
  readonly locks?: Readonly<Record<string, string>>;
  /** Disks that a restore in place was writing to when it was last heard of. */
  readonly restores?: Readonly<Record<string, string>>;
  /** All that are not DONE. */
  readonly vms: readonly Vm[];
  readonly images: readonly Image[];
  /** VMs that have been asked for one by one: those of names in LINSTOR that are not in `vms`; undefined: unknown to OpenNebula. */
  readonly past: ReadonlyMap<number, Vm | undefined>;
  readonly now: number;
  /** Ours that are on this LINSTOR. Absent: snapshots of volumes that live are not judged. */
  readonly datastores?: ReadonlySet<number>;
  /** Younger things may belong to an action that is running. */
  readonly olderThanMs: number;
}

/** VM ids in names of LINSTOR that OpenNebula's list of VMs does not have. */
export function pastVmIds({
  prefix,
  definitions,
  snapshots,
  vms,
}: Pick<Inventory, 'prefix' | 'definitions' | 'snapshots' | 'vms'>): number[] {
  const alive = new Set(vms.map((vm) => vm.id));
  const names = [...definitions.map((item) => item.name), ...snapshots.map((item) => item.name)];
  const ids = names.flatMap((name) => parseResource(prefix, name)?.vmId ?? []);
  return [...new Set(ids)].filter((id) => !alive.has(id)).sort((a, b) => a - b);
}

/** Looked up often: 5,000 disks are no reason for 25 million comparisons. */
export class Index {
  readonly vms: ReadonlyMap<number, Vm>;
  readonly imageResources: ReadonlySet<string>;
  readonly imageIds: ReadonlySet<number>;
  readonly replicas: ReadonlyMap<string, readonly Resource[]>;
  readonly definitions: ReadonlyMap<string, ResourceDefinition>;
  /** Nodes on which some VM has the resource, by resource. */
  readonly users: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #images: ReadonlyMap<string, Image>;
  readonly #holders: ReadonlyMap<string, readonly Holder[]>;

  constructor(inventory: Inventory) {
    this.vms = new Map(inventory.vms.map((vm) => [vm.id, vm]));
    this.imageIds = new Set(inventory.images.map((image) => image.id));
    this.imageResources = new Set(inventory.images.flatMap((image) => resourceKeyOf(image.source) ?? []));
    this.replicas = Map.groupBy(inventory.resources, (item) => item.name.toLowerCase());
    this.definitions = new Map(inventory.definitions.map((item) => [item.name.toLowerCase(), item]));
    this.users = usersOf(inventory);
    this.#images = new Map(
      inventory.images.flatMap((image) => {
        const name = resourceKeyOf(image.source);
        return name === undefined ? [] : [[name, image] as const];
      }),
    );
    const held = inventory.vms.flatMap((vm) =>
      vm.disks.flatMap((disk) => {
        const name = resourceOf(inventory.prefix, vm, disk);
        return name === undefined ? [] : [{ name: name.toLowerCase(), vm, diskId: disk.id }];
      }),
    );
    this.#holders = Map.groupBy(held, (item) => item.name);
  }

  /** The image whose content the resource is. */
  imageOf(name: string): Image | undefined {
    return this.#images.get(name.toLowerCase());
  }

  /** VMs that have the resource as a disk. */
  holdersOf(name: string): readonly Holder[] {
    return this.#holders.get(properName(name).toLowerCase()) ?? [];
  }

  replicasOf(name: string): readonly Resource[] {
    return this.replicas.get(name.toLowerCase()) ?? [];
  }

  inUse(name: string): boolean {
    return this.replicasOf(name).some((replica) => replica.inUse === true);
  }
}

function resourceOf(prefix: string, vm: Vm, disk: Disk): string | undefined {
  const own = disk.kind === 'clone' || disk.kind === 'volatile';
  if (own) return `${prefix}one-vm-${vm.id}-disk-${disk.id}`;
  // An image may be made of a stand-in, out of the trash; lookups are by the proper name.
  const name = resourceKeyOf(disk.source);
  return name === undefined ? undefined : properName(name);
}

function usersOf({ vms, prefix, nodes, nodeMap }: Inventory): Map<string, Set<string>> {
  const users = new Map<string, Set<string>>();
  for (const vm of vms) {
    // A migration has two hosts: both count.
    const hosts = vm.history
      .slice(-2)
      .map((item) => nodeOfHost(item.hostname, nodes, nodeMap)?.name ?? item.hostname);
    for (const disk of vm.disks) {
      const name = resourceOf(prefix, vm, disk);
      if (name === undefined) continue;
      const known = users.get(name.toLowerCase()) ?? new Set<string>();
      for (const host of hosts) known.add(host.toLowerCase());
      users.set(name.toLowerCase(), known);
    }
  }
  return users;
}
