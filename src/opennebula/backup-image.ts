import { count, id, idOrNone, incomplete, optional, orElse, readFields, text } from './fields.ts';
import { parseXml } from './xml.ts';

/** An image of type BACKUP: what of which VM it holds (backup contract B10). */
export interface BackupImage {
  readonly id: number;
  readonly type: number;
  readonly datastoreId: number;
  readonly vmIds: readonly number[];
  /** Empty where OpenNebula does not tell (before 6.10). */
  readonly diskIds: readonly number[];
  /** Empty for a full backup. */
  readonly increments: readonly number[];
}

const fields = { ID: id, TYPE: count, DATASTORE_ID: optional(idOrNone) };
const incrementFields = { ID: id, SOURCE: orElse(text, '') };

/** Throws ONE_INCOMPLETE. */
export function parseBackupImage(xml: string): BackupImage {
  const element = parseXml(xml, 'IMAGE', { what: 'document of the image', code: 'ONE_INCOMPLETE' });
  const object = `image ${element.value('ID') ?? '?'}`;
  const values = readFields(element, fields, object);
  if (values.DATASTORE_ID === undefined || values.DATASTORE_ID < 0)
    throw incomplete(object, 'DATASTORE_ID is missing');
  const idsOf = (path: string): number[] => element.all(path).map((each) => Number(each.text));
  return {
    id: values.ID,
    type: values.TYPE,
    datastoreId: values.DATASTORE_ID,
    vmIds: idsOf('VMS/ID'),
    diskIds: idsOf('BACKUP_DISK_IDS/ID'),
    increments: element
      .all('BACKUP_INCREMENTS/INCREMENT')
      .map((each) => readFields(each, incrementFields, object).ID),
  };
}
