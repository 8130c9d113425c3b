import type { Attributes } from './one.ts';

/**
 * Which object a template came from, kept beside it, so that a complaint about an attribute can say where it
 * stands although settings are read from bare templates.
 */
const owners = new WeakMap<Attributes, string>();

export function nameTemplate(template: Attributes, owner: string): void {
  owners.set(template, owner);
}

/** `datastore 100 (images)`, `/…/linstor_un.conf`, or `the datastore` for a template of unknown origin. */
export function ownerOf(template: Attributes): string {
  return owners.get(template) ?? 'the datastore';
}
