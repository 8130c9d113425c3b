import type { Context } from '../context.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { untilDone } from '../volumes/wait.ts';

/**
 * Disks that a restore in place is writing to. Noted before the first byte and forgotten for all of them at once when the restore is complete, or
 * what they held before is back: a process that is killed in between leaves the note, and nobody starts on such a disk or backs it up. In one
 * of the controller's key-value stores, which every front-end sees and which costs no satellite anything.
 */
export const restoreStore = (prefix: string): string => `${prefix}one-restores`;

export interface Restoring {
  readonly linstor: Linstor;
  readonly resource: ResourceName;
  readonly settings: { readonly namePrefix: string };
}

const keyOf = (resource: string): string => resource.toLowerCase();

const byStore = <D extends Restoring>(disks: readonly D[]): [string, [D, ...D[]]][] =>
  [...Map.groupBy(disks, (disk) => restoreStore(disk.settings.namePrefix))] as [string, [D, ...D[]]][];

/** `disks`: of one controller. */
export async function noteRestore(disks: readonly Restoring[], vmId: number): Promise<void> {
  for (const [store, group] of byStore(disks))
    await group[0].linstor.modifyKeyValues(store, {
      set: Object.fromEntries(group.map(({ resource }) => [keyOf(resource), String(vmId)])),
    });
}

/** So long the controller may be away before a restore that is complete counts as failed. */
const forgetMs = 60_000;

export async function forgetRestore(
  { clock }: Pick<Context, 'clock'>,
  disks: readonly Restoring[],
): Promise<void> {
  for (const [store, group] of byStore(disks)) {
    const unset = group.map(({ resource }) => keyOf(resource));
    await untilDone(clock, forgetMs, () => group[0].linstor.modifyKeyValues(store, { unset }));
  }
}

/** `ofVm`: whose restore it is; a persistent image may be another VM's by now. */
export type HalfRestored<D extends Restoring> = D & { readonly ofVm: number };

/** Those of the disks that a restore is writing to, or was when it was killed. One question, which the controller answers by itself. */
export async function notedRestores<D extends Restoring>(disks: readonly D[]): Promise<HalfRestored<D>[]> {
  const found = await Promise.all(
    byStore(disks).map(async ([store, group]) => {
      const notes = await group[0].linstor.keyValues(store);
      return group.flatMap((disk) => {
        const ofVm = notes[keyOf(disk.resource)];
        return ofVm === undefined ? [] : [{ ...disk, ofVm: Number(ofVm) }];
      });
    }),
  );
  return found.flat();
}
