import { byName, sameName } from '../model/name.ts';
import { matchesProps, page, wanted } from '../rest/call.ts';

interface Named {
  readonly name: string;
  readonly props: Readonly<Record<string, string>>;
}

/** What a list of objects answers with: by name, those that the filters `key` and `props` let through, one page of them. */
export function namedList<T extends Named>(query: URLSearchParams, key: string, all: readonly T[]): T[] {
  const names = wanted(query, key);
  const found = byName(all, (each) => each.name)
    .filter((each) => names.length === 0 || names.some((name) => sameName(name, each.name)))
    .filter((each) => matchesProps(query, each.props));
  return page(query, found);
}
