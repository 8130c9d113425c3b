import { count, id, orElse, readFields, text } from './fields.ts';
import type { Datastore } from './one.ts';
import { nameTemplate } from './template-owner.ts';
import type { XmlElement } from './xml.ts';

const datastoreFields = {
  ID: id,
  NAME: orElse(text, ''),
  TYPE: orElse(count, 0),
  DS_MAD: orElse(text, ''),
  TM_MAD: orElse(text, ''),
  BASE_PATH: orElse(text, ''),
};

/** `<DATASTORE>` (contract §10.2). Throws ONE_INCOMPLETE. */
export function readDatastore(element: XmlElement): Datastore {
  const fields = readFields(element, datastoreFields, `datastore ${element.value('ID') ?? '?'}`);
  const template = element.first('TEMPLATE')?.attributes() ?? {};
  const clusters = element.first('CLUSTERS');
  nameTemplate(
    template,
    fields.NAME === '' ? `datastore ${fields.ID}` : `datastore ${fields.ID} (${fields.NAME})`,
  );
  return {
    id: fields.ID,
    name: fields.NAME,
    type: fields.TYPE,
    dsMad: fields.DS_MAD,
    tmMad: fields.TM_MAD,
    basePath: fields.BASE_PATH,
    template,
    ...(clusters ? { clusterIds: clusters.all('ID').map((each) => Number(each.text)) } : {}),
  };
}
