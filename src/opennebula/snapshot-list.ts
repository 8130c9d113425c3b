import { mib } from '../units.ts';
import { count, id, optional, orElse, readFields, size, text } from './fields.ts';
import type { ImageSnapshot } from './one.ts';
import type { XmlElement } from './xml.ts';

const snapshotFields = {
  ID: id,
  SIZE: optional(size),
  ACTIVE: optional(text),
  PARENT: orElse(count, -1),
  CHILDREN: orElse(text, ''),
};

/** `<SNAPSHOT>` children of a `<SNAPSHOTS>` of an image or a disk. SIZE is the virtual size at its creation. */
export function readSnapshots(list: XmlElement | undefined, object: string): ImageSnapshot[] {
  return (list?.all('SNAPSHOT') ?? []).map((element) => {
    const fields = readFields(element, snapshotFields, `a snapshot of ${object}`);
    return {
      id: fields.ID,
      ...(fields.SIZE === undefined ? {} : { sizeMib: mib(fields.SIZE) }),
      active: /^yes$/i.test(fields.ACTIVE ?? ''),
      parent: fields.PARENT,
      children: fields.CHILDREN.split(',').flatMap((part) =>
        /^\s*\d+\s*$/.test(part) ? [Number(part)] : [],
      ),
    };
  });
}

const listFields = { NEXT_SNAPSHOT: optional(count) };

/** The id that the next snapshot of the list gets; all below it have been given. */
export function readNextSnapshot(list: XmlElement | undefined, object: string): { next?: number } {
  const next = list && readFields(list, listFields, `the snapshots of ${object}`).NEXT_SNAPSHOT;
  return next === undefined ? {} : { next };
}
