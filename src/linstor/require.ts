import { DriverError } from '../errors.ts';
import { isLinstorError } from './error.ts';
import type { Capabilities } from './linstor.ts';

/** @throws LINSTOR_UNSUPPORTED saying what is missing and what there is */
export function requireCapability(can: Capabilities, name: keyof Capabilities, what: string): void {
  if (can[name]) return;
  throw new DriverError(
    'LINSTOR_UNSUPPORTED',
    `${what} is not known to LINSTOR ${can.serverVersion} (REST ${can.restVersion})`,
    {
      remedy: 'update the LINSTOR controller',
    },
  );
}

/** What a clone asks for beyond name and source, checked before it is sent: LINSTOR never answers what it cannot parse. */
export function requireClone(
  can: Capabilities,
  spec: { readonly layers?: readonly unknown[]; readonly group?: string; readonly props?: unknown },
): void {
  requireCapability(can, 'clone', 'cloning');
  if (spec.layers?.length || spec.group)
    requireCapability(can, 'cloneTarget', 'cloning into other layers or another group');
  if (spec.props) requireCapability(can, 'cloneProps', 'cloning with other properties');
}

/** What the client takes as an argument, and shows in a table that is read back as it was written. */
const keptInTable = /^[^\s|-][^\s|]*(?: +[^\s|]+)*$/;

/** @throws INTERNAL for what one of the transports could not hand back */
export function requireKeyValues(store: string, set: Readonly<Record<string, string>>): void {
  for (const text of Object.entries(set).flat()) {
    if (!keptInTable.test(text))
      throw new DriverError('INTERNAL', `"${text}" cannot be kept in the key-value store ${store}`);
  }
}

/** Names compare without case in LINSTOR (linstor-behaviour §1.2). */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Keeps what `names` asks for; everything without it. */
export function filterByName<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  names: readonly string[] | undefined,
): T[] {
  if (names === undefined) return [...items];
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  return items.filter((item) => wanted.has(nameOf(item).toLowerCase()));
}

/** Reads for some nodes. A filter that names an unknown node is an error for LINSTOR; here it is just no match. */
export async function byNode<T>(
  nodes: readonly string[] | undefined,
  read: (nodes: readonly string[] | undefined) => Promise<T[]>,
  nodeOf: (item: T) => string,
): Promise<T[]> {
  try {
    return await read(nodes);
  } catch (error) {
    if (nodes === undefined || !isLinstorError(error, 'FAIL_NOT_FOUND_NODE')) throw error;
    return filterByName(await read(undefined), nodeOf, nodes);
  }
}
