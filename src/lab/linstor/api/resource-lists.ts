import { type LabDefinition, lookupDefinition, mustFindDefinition } from '../model/definition.ts';
import { byName, sameName } from '../model/name.ts';
import { mustFindNode } from '../model/node.ts';
import { findResource, type LabResource } from '../model/resource.ts';
import { resourceJson, volumesJson } from '../model/resource-view.ts';
import { type Handler, json, matchesProps, page, wanted } from '../rest/call.ts';
import { Refusal } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';

/** Reading resources and their volumes. */

export const list: Handler = ({ lab, params, query }) => {
  const definition = mustFindDefinition(lab.state, params['rd'] ?? '', { plain: true });
  const found = definition.resources.map((resource) =>
    resourceJson(lab.state, definition, resource, { volumes: false, now: lab.now() }),
  );
  return json(page(query, found));
};

function lookup(
  lab: Runtime,
  params: Readonly<Record<string, string>>,
): { definition: LabDefinition; resource: LabResource } {
  const definition = lookupDefinition(lab.state, params['rd'] ?? '');
  const resource = findResource(definition, params['node'] ?? '');
  if (!resource)
    throw new Refusal(302, `Resource '${params['rd']}' on '${params['node']}' not found.`, { plain: true });
  return { definition, resource };
}

export const get: Handler = ({ lab, params }) => {
  const { definition, resource } = lookup(lab, params);
  return json(resourceJson(lab.state, definition, resource, { volumes: false, now: lab.now() }));
};

export const volumes: Handler = ({ lab, params, query }) => {
  const { definition, resource } = lookup(lab, params);
  return json(page(query, volumesJson(lab.state, definition, resource, lab.now())));
};

export const volume: Handler = ({ lab, params }) => {
  const { definition, resource } = lookup(lab, params);
  const found = volumesJson(lab.state, definition, resource, lab.now()).find(
    (item) => item['volume_number'] === Number(params['number']),
  );
  if (!found) {
    throw new Refusal(
      304,
      `Volume '${params['number']}' of resource '${definition.name}' on '${resource.node}' not found.`,
      { plain: true },
    );
  }
  return json(found);
};

/** The view hides resources without volumes (linstor-behaviour §3.11). */
export const view: Handler = ({ lab, query }) => {
  const [names, nodes, pools] = [
    wanted(query, 'resources'),
    wanted(query, 'nodes'),
    wanted(query, 'storage_pools'),
  ];
  for (const node of nodes) mustFindNode(lab.state, node, { plain: true });
  const any = (list: readonly string[], name: string) =>
    list.length === 0 || list.some((item) => sameName(item, name));
  const found = byName(lab.state.definitions, (definition) => definition.name)
    .filter((definition) => any(names, definition.name))
    .flatMap((definition) =>
      definition.resources
        .filter(
          (resource) => any(nodes, resource.node) && resource.volumes.some((item) => any(pools, item.pool)),
        )
        .filter((resource) => matchesProps(query, resource.props))
        .map((resource) => resourceJson(lab.state, definition, resource, { volumes: true, now: lab.now() })),
    );
  return json(page(query, found));
};
