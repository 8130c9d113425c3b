/** `pathOf('resource-definitions', name)`: below /v1, every part escaped. */
export function pathOf(...parts: readonly (string | number)[]): string {
  return `/v1/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}

/** Repeated keys for lists (linstor-behaviour §0.3); `undefined` and empty lists are left out. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, readonly string[] | string | undefined>>,
): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const item of value === undefined ? [] : typeof value === 'string' ? [value] : value)
      search.append(key, item);
  }
  return search.size > 0 ? `${path}?${search}` : path;
}
