import { DriverError } from '../errors.ts';
import { readDatastore } from './datastore-document.ts';
import { readHost } from './host-document.ts';
import { readImage } from './image-document.ts';
import type { Datastore, Disk, Hook, Host, Image, Vm } from './one.ts';
import { readVm } from './vm-document.ts';
import { parseXml, poolLimit, type XmlElement, type XmlOptions } from './xml.ts';

/** OpenNebula's documents as typed values. All of them throw ONE_INCOMPLETE for what they cannot read. */

export function parseVm(xml: string): Vm {
  return readVm(parseXml(xml, 'VM', single('VM')), xml);
}

export function parseDatastore(xml: string): Datastore {
  return readDatastore(parseXml(xml, 'DATASTORE', single('datastore')));
}

export function parseImage(xml: string): Image {
  return readImage(parseXml(xml, 'IMAGE', single('image')));
}

export function parseHosts(xml: string): Host[] {
  return pool(xml, 'HOST', readHost);
}

/** `<HOST>`, as a host hook gets it. */
export function parseHost(xml: string): Host {
  return readHost(parseXml(xml, 'HOST', single('host')));
}

export function parseDatastores(xml: string): Datastore[] {
  return pool(xml, 'DATASTORE', readDatastore);
}

export function parseImages(xml: string): Image[] {
  return pool(xml, 'IMAGE', readImage);
}

export function parseHooks(xml: string): Hook[] {
  return pool(xml, 'HOOK', (element) => {
    const template = element.first('TEMPLATE');
    return {
      id: Number(element.value('ID') ?? -1),
      name: element.value('NAME') ?? '',
      command: template?.value('COMMAND') ?? '',
      arguments: template?.value('ARGUMENTS') ?? '',
    };
  });
}

/** Of the addresses of all marketplaces; what is no address is left out. */
export function parseMarketplaceHosts(xml: string): string[] {
  const addresses = pool(xml, 'MARKETPLACE', (element) => {
    const template = element.first('TEMPLATE');
    return [template?.value('BASE_URL'), template?.value('ENDPOINT')];
  });
  return addresses.flat().flatMap((text) => (text && URL.canParse(text) ? [new URL(text).hostname] : []));
}

/** SOLO and LEADER among the states of OpenNebula's consensus: 0 solo, 1 candidate, 2 follower, 3 leader. */
const leading: ReadonlySet<string> = new Set(['0', '3']);

/** `<RAFT>` of a front-end: does it lead its zone, or has none beside it? */
export function parseLeads(xml: string): boolean {
  const state = parseXml(xml, 'RAFT').value('STATE');
  if (state === undefined || !/^\d+$/.test(state))
    throw new DriverError('ONE_INCOMPLETE', 'the state of this front-end among the others is missing');
  return leading.has(state);
}

/** From the extended pool: the plain one lacks disks. A VM that cannot be read fails the whole list: `gc` decides by it. */
export function parseVms(xml: string): Vm[] {
  return pool(xml, 'VM', (element) => readVm(element));
}

/** The disk, or ONE_INCOMPLETE: an action never goes on with a disk that it does not know. */
export function requireDisk(vm: Vm, diskId: number): Disk {
  const disk = vm.disks.find((candidate) => candidate.id === diskId);
  if (disk) return disk;
  throw new DriverError('ONE_INCOMPLETE', `VM ${vm.id} has no disk ${diskId} in OpenNebula’s document`, {
    remedy: 'look at it with `onevm show`; nothing was changed',
  });
}

/** Snapshots of one disk; empty when it has none. */
export function snapshotsOf(vm: Vm, diskId: number): Vm['snapshots'][number]['snapshots'] {
  return vm.snapshots.find((list) => list.diskId === diskId)?.snapshots ?? [];
}

function pool<T>(xml: string, name: string, read: (element: XmlElement) => T): T[] {
  const options = { ...single(`${name.toLowerCase()} pool`), maxChars: poolLimit };
  return parseXml(xml, `${name}_POOL`, options).all(name).map(read);
}

function single(what: string): XmlOptions {
  return { what: `${what} document of OpenNebula`, code: 'ONE_INCOMPLETE' };
}
