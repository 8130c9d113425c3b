import { nodeOfHost } from '../../disks/host-node.ts';
import type { Disk, Host, Vm } from '../../opennebula/one.ts';
import { type ClusterFacts, type OneFacts, orElse } from '../checks/facts.ts';
import { natural } from '../table.ts';
import type { ClusterStatus, NodeStatus } from './model.ts';
import { vmStatus } from './object.ts';
import type { VolumeStatus } from './volume.ts';

/** A host of OpenNebula, a node of LINSTOR, or both: one machine. */
export interface PlaceStatus {
  readonly host?: Pick<Host, 'id' | 'name' | 'enabled'>;
  readonly node?: NodeStatus;
  readonly vms: readonly GuestDisk[];
  /** Volumes with data on the node, by name. */
  readonly volumes: readonly VolumeStatus[];
}

/** A disk of a VM that runs there. */
export interface GuestDisk {
  readonly vm: { readonly id: number; readonly name: string };
  readonly disk: Pick<Disk, 'id' | 'kind'>;
  readonly resource?: string;
  /** Whether its data are on the same machine; unknown without a volume of ours. */
  readonly local?: boolean;
}

export function placeStatus(
  { host, nodeName }: { host?: Host; nodeName?: string },
  one: OneFacts,
  clusters: readonly { readonly facts: ClusterFacts; readonly status: ClusterStatus }[],
): PlaceStatus {
  const found = clusters.flatMap(({ facts, status }) => {
    const name =
      nodeName ??
      (host ? nodeOfHost(host.name, orElse(facts.nodes, []), facts.settings.nodeMap)?.name : undefined);
    return status.nodes.filter((node) => node.name === name);
  });
  const node = found[0];
  const hosts = orElse(one.hosts, []);
  const machine = host ?? hosts.find(({ name }) => name === node?.host);
  const volumes = clusters.flatMap(({ status }) => status.volumes);
  const here = volumes.filter((volume) => isOn(volume, node));
  return {
    ...(machine ? { host: { id: machine.id, name: machine.name, enabled: machine.enabled } } : {}),
    ...(node ? { node } : {}),
    vms: machine
      ? orElse(one.vms, [])
          .filter((vm) => vm.history.at(-1)?.hostname === machine.name)
          .toSorted((a, b) => a.id - b.id)
          .flatMap((vm) => guestDisks(vm, volumes, node))
      : [],
    volumes: here.toSorted((a, b) => natural(a.resource, b.resource)),
  };
}

function guestDisks(vm: Vm, volumes: readonly VolumeStatus[], node: NodeStatus | undefined): GuestDisk[] {
  return vmStatus(vm, volumes).disks.map(({ disk, volume }) => ({
    vm: { id: vm.id, name: vm.name },
    disk: { id: disk.id, kind: disk.kind },
    ...(volume ? { resource: volume.resource, local: isOn(volume, node) } : {}),
  }));
}

const isOn = (volume: VolumeStatus, node: NodeStatus | undefined): boolean =>
  volume.replicas.some((replica) => replica.role === 'disk' && replica.node === node?.name);
