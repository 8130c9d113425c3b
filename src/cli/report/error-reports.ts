import type { Context } from '../../context.ts';
import { toDriverError } from '../../errors.ts';
import type { ErrorReport, Linstor } from '../../linstor/linstor.ts';
import type { ActionRecord } from '../../log/record.ts';
import type { ClusterFacts, Facts } from '../checks/facts.ts';

export interface NotedError extends ErrorReport {
  readonly cluster: string;
  /** A failed action was told this id. */
  readonly named: boolean;
  readonly text?: string;
}

/** Older ones explain nothing that one would ask about now. */
const sinceMs = 7 * 24 * 3_600_000;
/** Texts are fetched one by one and are long. */
const most = 20;

/** The newest of each LINSTOR, those first that failed actions were told of; with their texts. */
export async function collectErrorReports(
  context: Context,
  facts: Facts,
  failed: readonly ActionRecord[],
  missing: string[],
): Promise<NotedError[]> {
  const named = new Set(failed.flatMap(({ error }) => error?.reports ?? []));
  const lists = await Promise.all(
    facts.clusters
      .filter(({ capabilities }) => capabilities.ok)
      .map((cluster) => ofCluster(context, cluster, { named, since: facts.now - sinceMs, missing })),
  );
  return lists.flat();
}

async function ofCluster(
  context: Context,
  { label, settings }: ClusterFacts,
  { named, since, missing }: { named: ReadonlySet<string>; since: number; missing: string[] },
): Promise<NotedError[]> {
  try {
    const linstor = context.linstor(settings);
    const list = (await linstor.errorReports(since)).map((each) => ({
      ...each,
      cluster: label,
      named: named.has(each.id),
    }));
    const chosen = list
      .toSorted((a, b) => Number(b.named) - Number(a.named) || b.time - a.time)
      .slice(0, most);
    if (list.length > chosen.length)
      missing.push(`${list.length - chosen.length} older error reports of LINSTOR at ${label}`);
    const texts: NotedError[] = [];
    for (const each of chosen) texts.push({ ...each, ...(await textOf(linstor, each.id)) });
    return texts;
  } catch (error) {
    missing.push(`error reports of LINSTOR at ${label}: ${toDriverError(error).message}`);
    return [];
  }
}

/** One that cannot be fetched is listed all the same. */
async function textOf(linstor: Linstor, id: string): Promise<{ text?: string }> {
  try {
    const text = await linstor.errorReport(id);
    return text === undefined ? {} : { text };
  } catch {
    return {};
  }
}
