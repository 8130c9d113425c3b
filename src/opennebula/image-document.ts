import { mib } from '../units.ts';
import { count, id, idOrNone, optional, orElse, readFields, size, text, yesNo } from './fields.ts';
import type { Image } from './one.ts';
import { nameOfOwner } from './owner.ts';
import { readNextSnapshot, readSnapshots } from './snapshot-list.ts';
import { imageType } from './states.ts';
import type { XmlElement } from './xml.ts';

const imageFields = {
  ID: id,
  NAME: orElse(text, ''),
  TYPE: orElse(count, 0),
  PERSISTENT: orElse(yesNo, false),
  SOURCE: orElse(text, ''),
  PATH: orElse(text, ''),
  FORMAT: orElse(text, ''),
  FS: orElse(text, ''),
  FSTYPE: orElse(text, ''),
  SIZE: size,
  STATE: orElse(count, 0),
  CLONING_ID: orElse(idOrNone, -1),
  TARGET_SNAPSHOT: optional(idOrNone),
  DATASTORE_ID: optional(idOrNone),
  REGTIME: orElse(count, 0),
  UID: optional(count),
};

/**
 * `<IMAGE>` (contract §10.2). Up to 5.12 FSTYPE holds the file system or the marker `save_as`; since 6.0 FS and
 * FORMAT do. Throws ONE_INCOMPLETE.
 */
export function readImage(element: XmlElement): Image {
  const object = `image ${element.value('ID') ?? '?'}`;
  const fields = readFields(element, imageFields, object);
  const { TARGET_SNAPSHOT: target, DATASTORE_ID: datastoreId } = fields;
  const vms = element.first('VMS');
  const { next } = readNextSnapshot(element.first('SNAPSHOTS'), object);
  return {
    id: fields.ID,
    name: fields.NAME,
    type: fields.TYPE,
    persistent: fields.PERSISTENT,
    source: fields.SOURCE,
    path: fields.PATH,
    format: fields.FORMAT,
    fs: fields.FS === '' ? fields.FSTYPE : fields.FS,
    sizeMib: mib(fields.SIZE),
    registeredAt: fields.REGTIME,
    state: fields.STATE,
    cloningId: fields.CLONING_ID,
    ...(target === undefined || target < 0 ? {} : { targetSnapshot: target }),
    snapshots: readSnapshots(element.first('SNAPSHOTS'), object),
    ...(next === undefined ? {} : { nextSnapshot: next }),
    template: element.first('TEMPLATE')?.attributes() ?? {},
    ...(datastoreId === undefined || datastoreId < 0 ? {} : { datastoreId }),
    ...(fields.UID === undefined ? {} : { ownerId: fields.UID }),
    ...nameOfOwner(element),
    ...(fields.TYPE === imageType.BACKUP ? { backupSources: backupSources(element) } : {}),
    ...(vms ? { vmIds: vms.all('ID').map((each) => Number(each.text)) } : {}),
  };
}

function backupSources(element: XmlElement): string[] {
  const paths = ['SOURCE', 'BACKUP_INCREMENTS/INCREMENT/SOURCE'];
  return paths.flatMap((path) => element.all(path).map((each) => each.text.trim())).filter(Boolean);
}
