import { type ParsedArguments, UsageError } from './arguments.ts';
import { body, commaList, entries, type Plan, path } from './command.ts';
import type { Json } from './json.ts';
import { disklessOnRemaining, placeCount, selectFilter } from './placement.ts';

/** What commands about resources have in common. */

export const layerStack = (given: ParsedArguments): Json | undefined => commaList(given.one('layer-list'));
export const onDefinition = (given: ParsedArguments, name: string, ...rest: (string | number)[]): string =>
  path('resource-definitions', given.text(name), ...rest);

/** 1 to 65535, as the real client's own message has it. */
export function port(given: ParsedArguments, name: string): number | undefined {
  const text = given.one(name);
  if (text === undefined) return undefined;
  const found = Number(text);
  if (!(found >= 1 && found <= 65_535)) throw new UsageError(`${text} not in range: [1, 65535]\n`);
  return found;
}

/** Auto-place through `rd auto-place` and `r create --auto-place`. */
export function autoplace(given: ParsedArguments, count: string | undefined, name: string): Plan {
  const diskless = given.has('drbd-diskless')
    ? 'DRBD_DISKLESS'
    : given.has('nvme-initiator')
      ? 'NVME_INITIATOR'
      : undefined;
  return entries({
    method: 'POST',
    path: onDefinition(given, name, 'autoplace'),
    body: body({
      diskless_on_remaining: disklessOnRemaining(given) ?? null,
      select_filter: {
        ...selectFilter(given, placeCount(count)),
        ...(diskless ? { diskless_type: diskless } : {}),
      },
      layer_list: layerStack(given),
    }),
  });
}

export const onNode = (given: ParsedArguments, name: string, ...rest: (string | number)[]): string =>
  onDefinition(given, name, 'resources', given.text('node_name'), ...rest);
