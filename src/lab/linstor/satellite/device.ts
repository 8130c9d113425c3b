import {
  copyImage,
  createImage,
  devicePath,
  imageExists,
  imageName,
  imagePath,
  linkByRes,
  linkImage,
  removeImage,
  resizeImage,
  unlinkByRes,
} from '../data/files.ts';
import { attachLoop, detachLoop, refreshLoop } from '../data/loop.ts';
import type { LabDefinition } from '../model/definition.ts';
import { backingKib } from '../model/drbd.ts';
import { findPool, traitsOf } from '../model/pool.ts';
import { isDrbd, type LabResource, type LabVolume } from '../model/resource.ts';
import { roundUp } from '../model/space.ts';
import type { Runtime } from '../runtime.ts';
import { declaresItselfFirst } from './first-replica.ts';

/** Which volume, on which node. */
export interface Place {
  readonly definition: LabDefinition;
  readonly resource: LabResource;
  readonly volume: LabVolume;
}

/**
 * Size of the device a user sees. Plain storage is rounded up to the pool's granularity; DRBD uses what
 * the rounded backing device leaves above its metadata, unless ExactSize is set (linstor-behaviour §1.4).
 */
export function deviceKib(lab: Runtime, { definition, resource, volume }: Place): number {
  const net = definition.volumes.find((item) => item.number === volume.number)?.sizeKib ?? 0;
  const step = findPool(lab.state, resource.node, volume.pool)?.granularityKib ?? 1;
  if (!isDrbd(resource)) return roundUp(net, step);
  if (definition.props['DrbdOptions/ExactSize']?.toLowerCase() === 'true') return net;
  const backing = backingKib(net, definition.drbd?.peerSlots);
  return net + roundUp(backing, step) - backing;
}

/** Another replica of the same DRBD volume that has its data here already. */
function sibling(place: Place): LabVolume | undefined {
  if (!isDrbd(place.resource)) return undefined;
  return place.definition.resources
    .filter((other) => other !== place.resource)
    .flatMap((other) => other.volumes)
    .find((other) => other.number === place.volume.number && imageExists(other.file));
}

/** Makes the volume on its node: file, first content, device node. */
export async function makeVolume(lab: Runtime, place: Place): Promise<void> {
  const { definition, resource, volume } = place;
  if (volume.provider !== 'DISKLESS') {
    const path = imagePath(lab.root, resource.node, volume.pool, imageName(definition.name, volume.number));
    const own = !imageExists(volume.origin) && declaresItselfFirst(lab, definition, resource, volume.number);
    const other = own ? undefined : sibling(place);
    if (other?.file) linkImage(other.file, path);
    else await firstContent(lab, place, path);
    volume.file = path;
    delete volume.origin;
  }
  volume.made = true;
  await plug(lab, place);
  if (volume.file === undefined || !isDrbd(resource)) return;
  // Diskless replicas that were deployed before there were data to reach.
  for (const other of definition.resources) {
    const waiting = other.volumes.find(
      (item) => item.number === volume.number && item.made && item.topDevice === undefined,
    );
    if (waiting) await plug(lab, { definition, resource: other, volume: waiting });
  }
}

async function firstContent(lab: Runtime, place: Place, path: string): Promise<void> {
  const { volume } = place;
  const size = deviceKib(lab, place);
  removeImage(path);
  if (imageExists(volume.origin)) {
    await copyImage(volume.origin, path);
    resizeImage(path, size, traitsOf(volume.provider).garbage);
  } else {
    createImage(path, size, traitsOf(volume.provider).garbage);
  }
}

const baseName = (place: Place): string =>
  `${place.definition.name}_${String(place.volume.number).padStart(5, '0')}`;

/** Device nodes of the volume: one for the storage layer, one for the layer on top where there is one. */
async function plug(lab: Runtime, place: Place): Promise<void> {
  const { definition, resource, volume } = place;
  const image = volume.file ?? sibling(place)?.file;
  if (image === undefined) return;
  const minor = definition.volumes.find((item) => item.number === volume.number)?.minor ?? 1000;
  const top = isDrbd(resource)
    ? `drbd${minor}`
    : resource.layers.includes('LUKS')
      ? `Linstor-Crypt-${baseName(place)}`
      : undefined;
  if (lab.devices === 'loop') {
    // One loop device for all replicas: two over one file would not see each other's writes.
    const device = sibling(place)?.topDevice ?? (await attachLoop(image));
    if (volume.file) volume.device = device;
    if (top) volume.topDevice = device;
  } else {
    if (volume.file) volume.device = node(lab, resource.node, baseName(place), image);
    if (top) volume.topDevice = node(lab, resource.node, top, image);
  }
  if (isDrbd(resource) && volume.topDevice)
    linkByRes(lab.root, resource.node, definition.name, volume.number, volume.topDevice);
}

/** Makes the device node, or lets it come later where a fault says so. */
function node(lab: Runtime, host: string, name: string, image: string): string {
  const path = devicePath(lab.root, host, name);
  const late = lab.faults.lateDevices.get(host);
  if (late === undefined) {
    linkImage(image, path);
  } else {
    removeImage(path);
    lab.later(late * 1000, () => imageExists(image) && linkImage(image, path));
  }
  return path;
}

/** Gives the volume the size its definition has now. */
export async function resizeVolume(lab: Runtime, place: Place): Promise<void> {
  if (!imageExists(place.volume.file)) return;
  resizeImage(place.volume.file, deviceKib(lab, place), traitsOf(place.volume.provider).garbage);
  if (lab.devices === 'loop' && place.volume.device) await refreshLoop(place.volume.device);
}

/** Takes the volume away. Another replica's links, and whoever has the device open, keep the bytes. */
export async function removeVolume(lab: Runtime, place: Place): Promise<void> {
  const { volume, definition, resource } = place;
  if (lab.devices === 'loop') {
    const device = volume.topDevice ?? volume.device;
    const shared = definition.resources.some(
      (other) =>
        other !== resource &&
        other.volumes.some((item) => item.made && (item.topDevice ?? item.device) === device),
    );
    if (device && !shared) await detachLoop(device);
  } else {
    removeImage(volume.device);
    removeImage(volume.topDevice);
  }
  unlinkByRes(lab.root, resource.node, definition.name, volume.number);
  removeImage(volume.file);
  volume.made = false;
  delete volume.file;
}

/** Toggle to diskless: the data goes, the DRBD device stays. */
export function dropDisk(lab: Runtime, place: Place): void {
  if (lab.devices === 'file') removeImage(place.volume.device);
  removeImage(place.volume.file);
  delete place.volume.file;
  delete place.volume.device;
}
