import type { JsonObject } from './recording.ts';

/** Where two normalised answers differ; empty when they do not. */
export interface Difference {
  readonly path: string;
  readonly recorded: unknown;
  readonly replayed: unknown;
}

export function compare(recorded: unknown, replayed: unknown, path = ''): Difference[] {
  if (isEntries(recorded) && isEntries(replayed)) return compareEntries(recorded, replayed, path);
  if (Array.isArray(recorded) && Array.isArray(replayed)) return compareLists(recorded, replayed, path);
  if (isObject(recorded) && isObject(replayed)) {
    const keys = [...new Set([...Object.keys(recorded), ...Object.keys(replayed)])].sort();
    return keys.flatMap((key) => compareField(recorded, replayed, key, path));
  }
  return Object.is(recorded, replayed) ? [] : [{ path, recorded, replayed }];
}

const isObject = (value: unknown): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function compareField(recorded: JsonObject, replayed: JsonObject, key: string, path: string): Difference[] {
  const where = `${path}.${key}`;
  if (!(key in recorded)) return [{ path: where, recorded: '<absent>', replayed: replayed[key] }];
  if (!(key in replayed)) return [{ path: where, recorded: recorded[key], replayed: '<absent>' }];
  return compare(recorded[key], replayed[key], where);
}

function compareLists(
  recorded: readonly unknown[],
  replayed: readonly unknown[],
  path: string,
): Difference[] {
  if (recorded.length !== replayed.length) {
    return [{ path: `${path}.length`, recorded: summary(recorded), replayed: summary(replayed) }];
  }
  return recorded.flatMap((item, index) => compare(item, replayed[index], `${path}[${index}]`));
}

function summary(list: readonly unknown[]): unknown {
  return list.map((item) =>
    isObject(item)
      ? `${String(item['name'] ?? item['ret_code'] ?? '?')} ${String(item['node_name'] ?? item['message'] ?? '')}`
      : item,
  );
}

function isEntries(value: unknown): value is JsonObject[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((item) => isObject(item) && 'ret_code' in item)
  );
}

/**
 * Answers of writing calls. What satellites say, and what the controller says about a node, comes in the
 * order in which satellites answer (linstor-behaviour §11): compared as a multiset. The rest keeps its order.
 */
function compareEntries(
  recorded: readonly JsonObject[],
  replayed: readonly JsonObject[],
  path: string,
): Difference[] {
  const [ours, theirs] = [split(replayed), split(recorded)];
  const fixed = compareLists(theirs.fixed, ours.fixed, `${path}<fixed>`);
  const loose = compareMultisets(theirs.loose, ours.loose, `${path}<satellites>`);
  return [...fixed, ...loose];
}

const aboutNode =
  /^\([^)]+\) |' on '[^']+'|^Preparing deletion of|^Notified '|^Prepared '|^(?:Added|Removed) disk on|^No active connection|updated on node '|deployed as requested$|^Suspend IO on|^Disabled start cloning|^Marked snapshot for deletion/;

function split(entries: readonly JsonObject[]): { fixed: JsonObject[]; loose: JsonObject[] } {
  const isLoose = (entry: JsonObject) => aboutNode.test(String(entry['message']));
  return { fixed: entries.filter((entry) => !isLoose(entry)), loose: entries.filter(isLoose) };
}

function compareMultisets(
  recorded: readonly JsonObject[],
  replayed: readonly JsonObject[],
  path: string,
): Difference[] {
  const left = recorded.map(canonical);
  const right = replayed.map(canonical);
  const missing = without(left, right);
  const extra = without(right, left);
  return [
    ...missing.map((item) => ({ path, recorded: item, replayed: '<absent>' })),
    ...extra.map((item) => ({ path, recorded: '<absent>', replayed: item })),
  ];
}

/** Same content, same text, whatever the order of keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
}

function without(list: readonly string[], taken: readonly string[]): string[] {
  const rest = [...taken];
  return list.filter((item) => {
    const at = rest.indexOf(item);
    if (at < 0) return true;
    rest.splice(at, 1);
    return false;
  });
}
