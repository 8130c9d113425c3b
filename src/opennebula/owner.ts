import type { XmlElement } from './xml.ts';

/** UNAME of a VM or an image; documents of old releases and of some calls have none. */
export function nameOfOwner(element: XmlElement): { readonly ownerName?: string } {
  const name = element.value('UNAME')?.trim();
  return name ? { ownerName: name } : {};
}
