import { sameName } from '../model/name.ts';
import { findNode } from '../model/node.ts';
import { poolsOf, traitsOf } from '../model/pool.ts';
import { findResource } from '../model/resource.ts';
import type { Runtime } from '../runtime.ts';
import type { Body } from './body.ts';
import { wanted } from './call.ts';

/** Which satellites a call asks before it does anything, and which of its resources have to hold still. */

export interface Asked {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Body;
  readonly list: readonly Body[];
}

export type Asks = (lab: Runtime, asked: Asked) => readonly string[];

const known = (lab: Runtime, names: readonly string[]): string[] =>
  lab.state.nodes
    .filter((node) => node.connection === 'ONLINE')
    .map((node) => node.name)
    .filter((name) => names.length === 0 || names.some((wish) => sameName(wish, name)));

const isThin = (provider: string): boolean =>
  provider !== 'DISKLESS' && traitsOf(provider as Parameters<typeof traitsOf>[0]).thin;

/** Only thin pools are asked for their space: that of thick ones is known. */
function thinNodes(lab: Runtime, names: readonly string[]): string[] {
  return known(lab, names).filter((name) =>
    poolsOf(lab.state, name).some(({ provider }) => isThin(provider)),
  );
}

/** All satellites with thin pools. */
export const freeSpace: Asks = (lab) => thinNodes(lab, []);

/** Those of the nodes that the call names. */
export const freeSpaceThere: Asks = (lab, { params, list }) => {
  const listed = list.flatMap((item) => {
    const node = (item['resource'] as Body | undefined)?.['node_name'];
    return typeof node === 'string' ? [node] : [];
  });
  const names = listed.length > 0 ? listed : [params['node'] ?? ''];
  return names.some((name) => findNode(lab.state, name)) ? thinNodes(lab, names) : [];
};

/** Who has the resource already is not asked for space. */
export const freeSpaceIfNew: Asks = (lab, asked) => {
  const definition = lab.state.definitions.find((item) => sameName(item.name, asked.params['rd'] ?? ''));
  if (!definition || findResource(definition, asked.params['node'] ?? '')) return [];
  return freeSpaceThere(lab, asked);
};

export const spawnSpace: Asks = (lab, asked) =>
  asked.body['definitions_only'] === true ? [] : freeSpace(lab, asked);

/** Pools, unless what the controller remembers is enough. */
export const poolSpace: Asks = (lab, { params, query }) => {
  if (query.get('cached') === 'true') return [];
  const node = params['node'];
  return thinNodes(lab, node === undefined ? wanted(query, 'nodes') : [node]);
};

/** Sizes of thin volumes: every satellite that holds one of those in question (VlmAllocatedFetcher, LINSTOR 1.33.3). */
export const volumeSizes: Asks = (lab, { params, query }) => {
  const node = params['node'];
  const names = params['rd'] === undefined ? wanted(query, 'resources') : [params['rd']];
  const pools = wanted(query, 'storage_pools');
  const any = (list: readonly string[], name: string): boolean =>
    list.length === 0 || list.some((item) => sameName(item, name));
  const holders = lab.state.definitions
    .filter((definition) => any(names, definition.name))
    .flatMap((definition) => definition.resources)
    .filter(({ volumes }) => volumes.some(({ provider, pool }) => isThin(provider) && any(pools, pool)))
    .map((resource) => resource.node);
  return known(lab, node === undefined ? wanted(query, 'nodes') : [node]).filter((name) =>
    holders.includes(name),
  );
};

/** The definition of the path. */
export const ofPath = ({ params }: Asked): string[] => [params['rd'] ?? ''];

/** Those of a call for several snapshots. */
export const ofList = ({ body }: Asked): string[] =>
  ((body['snapshots'] as Body[] | undefined) ?? []).map((item) => String(item['resource_name'] ?? ''));

/** Hanging satellites among those of the definitions: their turn comes when they answer, or are known to be dead. */
export function hangingOf(lab: Runtime, names: readonly string[]): string[] {
  const nodes = lab.state.definitions
    .filter((definition) => names.some((name) => sameName(name, definition.name)))
    .flatMap((definition) => definition.resources.map((resource) => resource.node));
  return lab.work.hung.filter((name) => nodes.includes(name));
}
