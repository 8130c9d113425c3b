import type { Content } from './content.ts';

/** What there must be, kept beside the lab by a second hand. Ids are oned's. */

export interface ModelImage {
  readonly id: number;
  readonly site: Site;
  readonly persistent: boolean;
  readonly content: Content;
  /** They stay with a persistent image when its VM is gone. */
  readonly snapshots: Map<number, Content>;
  /** The VM that uses it, when persistent. */
  user?: number;
}

export interface ModelDisk {
  readonly id: number;
  readonly content: Content;
  /** Of a persistent disk. */
  readonly image?: ModelImage;
  readonly volatile: boolean;
  readonly snapshots: Map<number, Content>;
}

export type VmState = 'running' | 'poweroff' | 'suspended' | 'parked';

export interface ModelVm {
  readonly id: number;
  readonly site: Site;
  state: VmState;
  host: string;
  system: number;
  readonly disks: Map<number, ModelDisk>;
}

/** Datastores of one layer stack: an image datastore and system datastores that clone in different ways. */
export interface Site {
  readonly group: 'drbd' | 'plain';
  readonly images: number;
  readonly systems: readonly number[];
}

export class Model {
  readonly images = new Map<number, ModelImage>();
  readonly vms = new Map<number, ModelVm>();

  /** LINSTOR resource → what it holds. */
  resources(): Map<string, Content> {
    const all = new Map<string, Content>();
    for (const image of this.images.values()) all.set(`one-image-${image.id}`, image.content);
    for (const vm of this.vms.values()) {
      for (const disk of vm.disks.values()) all.set(resourceOf(vm, disk), disk.content);
    }
    return all;
  }

  /** `resource/snapshot`. */
  snapshots(): string[] {
    const all = new Map<string, ReadonlyMap<number, Content>>();
    for (const image of this.images.values()) all.set(`one-image-${image.id}`, image.snapshots);
    for (const vm of this.vms.values()) {
      for (const disk of vm.disks.values()) all.set(resourceOf(vm, disk), disk.snapshots);
    }
    return [...all].flatMap(([name, each]) => [...each.keys()].map((id) => `${name}/snapshot-${id}`));
  }
}

export const resourceOf = (vm: ModelVm, disk: ModelDisk): string =>
  disk.image ? `one-image-${disk.image.id}` : `one-vm-${vm.id}-disk-${disk.id}`;
