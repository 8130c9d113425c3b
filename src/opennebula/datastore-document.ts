import * as z from 'zod/mini';
import { count, id, readFields, text } from './fields.ts';
import type { Datastore } from './one.ts';
import { nameTemplate } from './template-owner.ts';
import type { XmlElement } from './xml.ts';

const schema = z.object({
  ID: id,
  NAME: z._default(text, ''),
  TYPE: z._default(count, 0),
  DS_MAD: z._default(text, ''),
  TM_MAD: z._default(text, ''),
  BASE_PATH: z._default(text, ''),
});

/** `<DATASTORE>` (contract §10.2). Throws ONE_INCOMPLETE. */
export function readDatastore(element: XmlElement): Datastore {
  const fields = readFields(element, schema, `datastore ${element.value('ID') ?? '?'}`);
  const template = element.first('TEMPLATE')?.attributes() ?? {};
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
  };
}
