import type { Context } from '../context.ts';
import { toDriverError } from '../errors.ts';
import type { Linstor, ResourceDefinition } from '../linstor/linstor.ts';
import { type ResourceName, resourceName } from '../linstor/names.ts';
import { copyMark } from './marks.ts';

/**
 * Which copies are complete. Noted in one of the controller's key-value stores, which costs no satellite a round of work, and only ever
 * positively: a note that is lost makes the copy anew, one that is left over belongs to no copy, for each has a nonce of its own.
 */
export const copyStore = (prefix: string): string => `${prefix}one-copies`;

const keyOf = (resource: ResourceName): string => resource.toLowerCase();

export const isCopy = ({ name, props }: ResourceDefinition): boolean => props[copyMark(name)] !== undefined;

export async function isCompleteCopy(
  linstor: Linstor,
  prefix: string,
  { name, props }: ResourceDefinition,
): Promise<boolean> {
  const nonce = props[copyMark(name)];
  return nonce !== undefined && (await linstor.keyValues(copyStore(prefix)))[keyOf(name)] === nonce;
}

/** What cannot be noted is copied anew by a retry, and no failure. */
export async function noteComplete(
  ctx: Pick<Context, 'log'>,
  linstor: Linstor,
  prefix: string,
  resource: ResourceName,
  nonce: string,
): Promise<void> {
  try {
    await linstor.modifyKeyValues(copyStore(prefix), { set: { [keyOf(resource)]: nonce } });
  } catch (error) {
    ctx.log.info(`a retry will copy ${resource} again: ${toDriverError(error).message}`);
  }
}

/** A note that stays is found by gc. */
export async function forgetCopy(
  ctx: Pick<Context, 'log'>,
  linstor: Linstor,
  prefix: string,
  resource: ResourceName,
): Promise<void> {
  try {
    await linstor.modifyKeyValues(copyStore(prefix), { unset: [keyOf(resource)] });
  } catch (error) {
    ctx.log.info(`the note of the copy ${resource} stays: ${toDriverError(error).message}`);
  }
}

/** Resources of the notes that belong to no copy any more. */
export function staleCopies(
  notes: Readonly<Record<string, string>>,
  definitions: readonly ResourceDefinition[],
): ResourceName[] {
  const copies = new Map(definitions.map((each) => [keyOf(each.name), each.props[copyMark(each.name)]]));
  return Object.entries(notes).flatMap(([key, nonce]) =>
    copies.get(key) === nonce ? [] : [resourceName(key)],
  );
}
