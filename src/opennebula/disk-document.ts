import { mib } from '../units.ts';
import {
  type FieldValues,
  id,
  idOrNone,
  incomplete,
  optional,
  orElse,
  readFields,
  size,
  text,
  yesNo,
} from './fields.ts';
import type { Disk } from './one.ts';
import type { XmlElement } from './xml.ts';

const diskFields = {
  DISK_ID: id,
  SOURCE: orElse(text, ''),
  IMAGE: orElse(text, ''),
  IMAGE_ID: optional(id),
  DATASTORE_ID: optional(idOrNone),
  TM_MAD: orElse(text, ''),
  CLONE: optional(yesNo),
  SAVE: optional(yesNo),
  SHAREABLE: optional(yesNo),
  PERSISTENT_TYPE: orElse(text, ''),
  TYPE: orElse(text, ''),
  SIZE: optional(size),
  ORIGINAL_SIZE: optional(size),
  FS: orElse(text, ''),
  FORMAT: orElse(text, ''),
};

type Fields = FieldValues<typeof diskFields>;

/**
 * `<DISK>` of a VM. Its kind decides whether `delete` removes the volume or only detaches it: what cannot be told
 * from the document is an error (ONE_INCOMPLETE), never a guess (contract §3.3, §9.1 no. 41).
 */
export function readDisk(element: XmlElement, vm: string): Disk {
  const object = `disk ${element.value('DISK_ID') ?? '?'} of ${vm}`;
  const fields = readFields(element, diskFields, object);
  const kind = kindOf(fields, object);
  const ofVm = kind === 'clone' || kind === 'volatile';
  if (ofVm && fields.SIZE === undefined) throw incomplete(object, 'SIZE is missing');
  return {
    id: fields.DISK_ID,
    attributes: element.attributes(),
    source: fields.SOURCE,
    ...(fields.IMAGE_ID === undefined ? {} : { imageId: fields.IMAGE_ID }),
    ...(fields.DATASTORE_ID === undefined || fields.DATASTORE_ID < 0
      ? {}
      : { datastoreId: fields.DATASTORE_ID }),
    tmMad: fields.TM_MAD,
    kind,
    sizeMib: mib(fields.SIZE ?? 0),
    ...(fields.ORIGINAL_SIZE === undefined ? {} : { originalSizeMib: mib(fields.ORIGINAL_SIZE) }),
    fs: fields.FS,
    format: fields.FORMAT,
  };
}

function kindOf(disk: Fields, object: string): Disk['kind'] {
  const type = disk.TYPE.toUpperCase();
  if (type === 'FILESYSTEM') return 'filesystem';
  // oned's own rule, and before all else: of a disk without an image a tenant writes every attribute, CLONE and SOURCE of another's
  // image among them. On a disk of an image oned overwrites TYPE.
  if (type === 'FS' || type === 'SWAP') return 'volatile';
  if (disk.CLONE === undefined) {
    const ofImage = disk.SOURCE !== '' || disk.IMAGE !== '' || disk.IMAGE_ID !== undefined;
    if (ofImage) throw incomplete(object, 'CLONE is missing, though the disk comes from an image');
    return 'volatile';
  }
  if (disk.CLONE) return 'clone';
  if (type.includes('CDROM')) return 'cdrom';
  if (disk.SHAREABLE === true) return 'shareable';
  // The core gives an immutable image CLONE=NO, SAVE=NO; PERSISTENT_TYPE itself stays in the image's template.
  if (disk.PERSISTENT_TYPE.toUpperCase() === 'IMMUTABLE' || disk.SAVE === false) return 'immutable';
  return 'persistent';
}
