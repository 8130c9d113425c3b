import type { Linstor, ResourceName } from '../../linstor/linstor.ts';
import { diskIdOf, hostPath } from '../../opennebula/paths.ts';
import type { Preconditions } from './preconditions.ts';
import type { RewrittenCall } from './rewrite.ts';

/**
 * What a successful call leaves in LINSTOR. A driver that only says “done” shall not pass, and one that removes a
 * persistent image even less (contract §3.3).
 */
export interface Postconditions {
  /** `sizeMib`: at least. */
  readonly present: readonly { readonly resource: ResourceName; readonly sizeMib: number }[];
  readonly absent: readonly ResourceName[];
  readonly snapshots: readonly {
    readonly resource: ResourceName;
    readonly name: string;
    readonly present: boolean;
  }[];
}

/** The link `disk.<n>` on a host. */
export interface LinkState {
  readonly host: string;
  readonly path: string;
  readonly present: boolean;
}

const links: ReadonlySet<string> = new Set(['clone', 'ln', 'mkimage', 'mkswap', 'mv']);
const unlinks: ReadonlySet<string> = new Set(['mvds', 'delete']);

/** The link that a call on one disk makes or takes away; none on the front-end, where no VM runs. */
export function linkAfter(call: RewrittenCall, frontend: string): LinkState | undefined {
  if (call.kind !== 'tm') return undefined;
  const target = call.argv.findLast((argument) => /^[^:/]+:\//.test(argument));
  if (target === undefined || diskIdOf(target) === undefined) return undefined;
  const { host, path } = hostPath(target);
  const known = links.has(call.action) || unlinks.has(call.action);
  return known && host !== frontend ? { host, path, present: links.has(call.action) } : undefined;
}

/** `sizeMib`: of what the call makes. `saveAs`: `mkfs` only announces an image (contract §2.2). */
export function postconditionsOf(
  call: RewrittenCall,
  before: Preconditions,
  made: { sizeMib: number; saveAs: boolean },
): Postconditions {
  const gone = goneAfter(call, before);
  const isSwept = call.action === 'delete' && !/\/disk\.\d+$/.test(call.argv[0] ?? '');
  const stay = before.present
    .filter(({ resource }) => !gone.includes(resource))
    // With the directory of a VM go leftovers of its own; images never do.
    .filter(({ resource }) => !isSwept || !isOfVm(resource))
    .map(({ resource }) => ({ resource, sizeMib: call.action === 'resize' ? Number(call.argv[1]) : 0 }));
  const fresh = made.saveAs ? [] : before.absent.map((resource) => ({ resource, sizeMib: made.sizeMib }));
  return { present: [...stay, ...fresh], absent: gone, snapshots: snapshotsAfter(call, before) };
}

function goneAfter(call: RewrittenCall, { present }: Preconditions): ResourceName[] {
  const all = present.map(({ resource }) => resource);
  if (call.kind === 'datastore' && call.action === 'rm') return all;
  return call.kind === 'tm' && call.action === 'delete' && /\/disk\.\d+$/.test(call.argv[0] ?? '')
    ? all.filter(isOfVm)
    : [];
}

function snapshotsAfter(
  call: RewrittenCall,
  { present, snapshots }: Preconditions,
): Postconditions['snapshots'] {
  if (call.action === 'snap_delete' || call.action === 'snap_flatten')
    return snapshots.map((one) => ({ ...one, present: false }));
  const resource = present.at(-1)?.resource;
  if (!call.action.startsWith('snap_create') || resource === undefined) return [];
  return [{ resource, name: `snapshot-${call.argv[1]}`, present: true }];
}

const isOfVm = (resource: ResourceName): boolean => resource.startsWith('one-vm-');

/** The first condition that does not hold. */
export async function unmet(
  linstor: Linstor,
  { present, absent, snapshots }: Postconditions,
): Promise<string | undefined> {
  const names = [...present.map(({ resource }) => resource), ...absent];
  const definitions = names.length === 0 ? [] : await linstor.definitions({ names });
  for (const { resource, sizeMib } of present) {
    const volume = definitions.find(({ name }) => name === resource)?.volumes[0];
    if (!volume) return `${resource} is missing`;
    if (volume.sizeKib < sizeMib * 1024)
      return `${resource} has ${volume.sizeKib} KiB instead of ${sizeMib} MiB`;
  }
  const left = definitions.find(({ name }) => absent.includes(name));
  if (left) return `${left.name} is still there`;
  for (const { resource, name, present: wanted } of snapshots) {
    const found = (await linstor.snapshots({ names: [resource] })).some((snapshot) => snapshot.name === name);
    if (found !== wanted) return `${name} of ${resource} is ${found ? 'still there' : 'missing'}`;
  }
  return undefined;
}
