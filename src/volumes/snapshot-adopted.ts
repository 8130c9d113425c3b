import { isOneOf } from '../linstor/codes.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { codeOf, type Outcome, severityOf } from '../linstor/outcome.ts';
import { sameName } from './replicas.ts';

/** A snapshot that was asked for. */
export interface SnapshotPoint {
  readonly resource: ResourceName;
  readonly snapshot: string;
}

const among = (node: string, list: readonly string[]): boolean => list.some((each) => sameName(each, node));

/** `(n1) Snapshot [LVM-Thin] with name 's' of resource 'r', volume number 0 created.` */
const tookIn = ({ entries }: Outcome, { resource, snapshot }: SnapshotPoint): string[] =>
  entries
    .filter(({ retCode }) => severityOf(retCode) === 'success' && isOneOf(codeOf(retCode), ['CREATED']))
    .flatMap(({ message }) => {
      const [, node = '', name = '', of = ''] =
        /^\(([^)]+)\) Snapshot .*with name '([^']+)' of resource '([^']+)'/.exec(message) ?? [];
      return sameName(name, snapshot) && sameName(of, resource) ? [node] : [];
    });

/** A satellite without a disk there has nothing to take. */
const disklessIn = ({ entries }: Outcome, { resource, snapshot }: SnapshotPoint): string[] =>
  entries.flatMap(({ message }) => {
    const [, node = '', name = '', of = ''] =
      /^\(([^)]+)\) Skipping processing unknown snapshot '([^']+)' of resource '([^']+)'/.exec(message) ?? [];
    return sameName(name, snapshot) && sameName(of, resource) ? [node] : [];
  });

const askedIn = ({ entries }: Outcome): string[] =>
  entries.flatMap(({ message }) => /^Took snapshot of .* on '([^']+)'/.exec(message)?.[1] ?? []);

/**
 * Those of the snapshots that LINSTOR has just called taken of which some node holds an older one. A satellite takes nothing where its pool
 * has something of that name: what was left there of a snapshot that was deleted while it was away. LINSTOR's only word on
 * it is a missing entry (linstor-behaviour §3.12).
 */
export async function adopted(
  linstor: Linstor,
  outcome: Outcome,
  points: readonly SnapshotPoint[],
): Promise<readonly (SnapshotPoint & { readonly nodes: readonly string[] })[]> {
  const asked = askedIn(outcome);
  const told = (point: SnapshotPoint): boolean => {
    const known = [...tookIn(outcome, point), ...disklessIn(outcome, point)];
    return asked.length > 0 && asked.every((node) => among(node, known));
  };
  const open = points.filter((point) => !told(point));
  if (open.length === 0) return [];
  // A node may have none of the resource at all, and an old release may have said less.
  const all = await linstor.snapshots({ names: open.map(({ resource }) => resource) });
  return open.flatMap((point) => {
    const record = all.find(
      (each) => sameName(each.resource, point.resource) && sameName(each.name, point.snapshot),
    );
    const nodes = (record?.nodes ?? []).filter((node) => !among(node, tookIn(outcome, point)));
    return nodes.length > 0 ? [{ ...point, nodes }] : [];
  });
}
