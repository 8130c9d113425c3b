import { mib } from '../units.ts';
import { readDisk } from './disk-document.ts';
import { count, id, incomplete, optional, orElse, readFields, size, text } from './fields.ts';
import type { Disk, History, SystemSnapshot, Vm, VmSnapshot } from './one.ts';
import { nameOfOwner } from './owner.ts';
import { readNextSnapshot, readSnapshots } from './snapshot-list.ts';
import type { XmlElement } from './xml.ts';

const vmFields = {
  ID: id,
  NAME: orElse(text, ''),
  STATE: count,
  LCM_STATE: count,
  DEPLOY_ID: orElse(text, ''),
};

const historyFields = {
  SEQ: count,
  HOSTNAME: orElse(text, ''),
  HID: orElse(count, -1),
  DS_ID: orElse(count, -1),
  TM_MAD: orElse(text, ''),
  VM_MAD: orElse(text, ''),
  STIME: orElse(count, 0),
};

const snapshotsFields = { DISK_ID: id };
const systemSnapshotFields = { SNAPSHOT_ID: id, NAME: orElse(text, ''), HYPERVISOR_ID: orElse(text, '') };
const contextFields = { DISK_ID: optional(id) };
const memoryFields = { MEMORY: optional(size) };

/**
 * `<VM>` (contract §10.2). `xml` is the document as it came; for a VM inside another document it is written
 * anew when asked for. Throws ONE_INCOMPLETE.
 */
export function readVm(element: XmlElement, xml?: string): Vm {
  const object = `VM ${element.value('ID') ?? '?'}`;
  const fields = readFields(element, vmFields, object);
  const template = element.first('TEMPLATE');
  if (!template) throw incomplete(object, 'TEMPLATE is missing');
  const context = template.first('CONTEXT');
  const contextDiskId = context && readFields(context, contextFields, `the context of ${object}`).DISK_ID;
  const memory = readFields(template, memoryFields, object).MEMORY;
  return {
    id: fields.ID,
    name: fields.NAME,
    ...nameOfOwner(element),
    state: fields.STATE,
    lcmState: fields.LCM_STATE,
    deployId: fields.DEPLOY_ID,
    disks: readDisks(template, object),
    ...(contextDiskId === undefined ? {} : { contextDiskId }),
    ...(memory === undefined ? {} : { memoryMib: mib(memory) }),
    template: template.attributes(),
    userTemplate: element.first('USER_TEMPLATE')?.attributes() ?? {},
    history: readHistory(element, object),
    snapshots: readDiskSnapshots(element, object),
    systemSnapshots: readSystemSnapshots(template, object),
    backup: element.first('BACKUPS/BACKUP_CONFIG')?.attributes() ?? {},
    get xml() {
      return xml ?? element.serialize();
    },
  };
}

function readDisks(template: XmlElement, object: string): Disk[] {
  const disks = template.all('DISK').map((disk) => readDisk(disk, object));
  const ids = new Set(disks.map((disk) => disk.id));
  if (ids.size !== disks.length) throw incomplete(object, 'two disks have the same DISK_ID');
  return disks;
}

/** Oldest first; the last one is the present place. */
function readHistory(element: XmlElement, object: string): History[] {
  const records = element.all('HISTORY_RECORDS/HISTORY').map((record) => {
    const fields = readFields(record, historyFields, `a history record of ${object}`);
    return {
      seq: fields.SEQ,
      hostname: fields.HOSTNAME,
      hostId: fields.HID,
      datastoreId: fields.DS_ID,
      tmMad: fields.TM_MAD,
      vmMad: fields.VM_MAD,
      stime: fields.STIME,
    };
  });
  return records.sort((a, b) => a.seq - b.seq);
}

function readSystemSnapshots(template: XmlElement, object: string): SystemSnapshot[] {
  return template.all('SNAPSHOT').map((snapshot) => {
    const fields = readFields(snapshot, systemSnapshotFields, `a snapshot of ${object}`);
    return { id: fields.SNAPSHOT_ID, name: fields.NAME, hypervisorId: fields.HYPERVISOR_ID };
  });
}

function readDiskSnapshots(element: XmlElement, object: string): VmSnapshot[] {
  return element.all('SNAPSHOTS').map((list) => {
    const diskId = readFields(list, snapshotsFields, `the snapshots of ${object}`).DISK_ID;
    const disk = `disk ${diskId} of ${object}`;
    return { diskId, snapshots: readSnapshots(list, disk), ...readNextSnapshot(list, disk) };
  });
}
