import { readImage } from '../../opennebula/image-document.ts';
import { parseXml } from '../../opennebula/xml.ts';
import type { DocumentFacts } from './preconditions.ts';

/** What a datastore message says of its image; empty for other calls. */
export function factsOf(document: string): DocumentFacts {
  if (!document.startsWith('<DS_DRIVER_ACTION_DATA>')) return {};
  const image = parseXml(document, 'DS_DRIVER_ACTION_DATA').first('IMAGE');
  if (!image?.first('ID')) return {};
  const { id, source, path, sizeMib, targetSnapshot, format, fs } = readImage(image);
  const saveAs = [format, fs].includes('save_as');
  return {
    imageId: id,
    source,
    path,
    sizeMib,
    saveAs,
    ...(targetSnapshot === undefined ? {} : { targetSnapshot }),
  };
}
