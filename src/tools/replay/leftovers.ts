import { createImage, devicePath, imageName, imagePath, linkImage } from '../../lab/linstor/data/files.ts';
import type { Lab } from '../../lab/linstor/lab.ts';
import type { LabDefinition, LayerKind } from '../../lab/linstor/model/definition.ts';
import type { Provider } from '../../lab/linstor/model/pool.ts';
import type { LabResource, LabVolume } from '../../lab/linstor/model/resource.ts';
import type { Exchange, JsonObject, Scene } from './recording.ts';

/**
 * What a scene's answers show although no request of it makes it was there before: things an earlier scene
 * left on the recorded controller. They are put into the lab before the scene starts.
 */
export function placeLeftovers(lab: Lab, scene: Scene): void {
  const made = new Set(scene.exchanges.flatMap(namesMade));
  const volumes = volumesMade(scene);
  const shown = scene.exchanges.flatMap((exchange) => objectsShown(exchange));
  const definitions = new Map<string, LabDefinition>();
  for (const item of shown) {
    const name = String(item['name']);
    if (made.has(name)) continue;
    if ('resource_group_name' in item) readDefinition(definitions, item, volumes);
    if ('node_name' in item && 'layer_object' in item) readResource(lab, definitions, item);
  }
  lab.runtime.state.definitions.push(...definitions.values());
  const groups = [...definitions.values()].map((definition) => definition.group);
  for (const name of new Set([...groups, ...groupsThere(scene)])) placeGroup(lab, scene, name);
  placeProperties(lab, scene);
  lab.runtime.save();
}

/** Controller properties of people, which the scene reads but never sets. */
function placeProperties(lab: Lab, scene: Scene): void {
  const first = scene.exchanges.find(({ rest }) => rest?.path === '/v1/controller/properties');
  if (first?.rest?.method !== 'GET') return;
  for (const [key, value] of Object.entries(first.rest.answer as Record<string, string>)) {
    if (key.startsWith('Aux/')) lab.runtime.state.controllerProps[key] = value;
  }
}

/** Names that requests of the scene give successfully to something. */
function namesMade({ rest, cli }: Exchange): string[] {
  if (cli) {
    const created =
      JSON.stringify(cli.stdout ?? '').match(/New resource definition '([^']+)' created/g) ?? [];
    return created.map((text) => /'([^']+)'/.exec(text)?.[1] ?? '');
  }
  if (rest?.method !== 'POST' || rest.body === null || typeof rest.body !== 'object') return [];
  const body = rest.body as JsonObject;
  const nested = body['resource_definition'] as JsonObject | undefined;
  return [body['name'], body['resource_definition_name'], nested?.['name']].filter(
    (name): name is string => typeof name === 'string',
  );
}

/** Volume definitions that the scene adds to a definition: `img/1`. */
function volumesMade(scene: Scene): ReadonlySet<string> {
  const made = new Set<string>();
  for (const { rest, cli } of scene.exchanges) {
    const text = JSON.stringify(rest?.answer ?? cli?.stdout ?? '');
    for (const [, number, name] of text.matchAll(
      /New volume definition with number '(\d+)' of resource definition '([^']+)'/g,
    )) {
      made.add(`${name}/${number}`);
    }
  }
  return made;
}

/** Objects in lists and single answers of reading calls, over REST or the client. */
function objectsShown({ rest, cli }: Exchange): JsonObject[] {
  const answer = rest?.method === 'GET' ? rest.answer : cli ? cli.stdout : undefined;
  const list = Array.isArray(answer) ? answer.flat() : [answer];
  return list.filter(
    (item): item is JsonObject =>
      item !== null && typeof item === 'object' && typeof (item as JsonObject)['name'] === 'string',
  );
}

function definitionFor(definitions: Map<string, LabDefinition>, name: string): LabDefinition {
  const known = definitions.get(name);
  if (known) return known;
  const fresh: LabDefinition = {
    name,
    uuid: crypto.randomUUID(),
    group: 'DfltRscGrp',
    props: {},
    flags: [],
    layers: [],
    volumes: [],
    resources: [],
    snapshots: [],
  };
  definitions.set(name, fresh);
  return fresh;
}

/** The first showing counts: later ones may hold what the scene has changed. */
function readDefinition(
  definitions: Map<string, LabDefinition>,
  item: JsonObject,
  made: ReadonlySet<string>,
): void {
  const name = String(item['name']);
  const first = definitions.get(name)?.group === undefined || definitions.get(name)?.group === 'DfltRscGrp';
  const definition = definitionFor(definitions, name);
  for (const volume of (item['volume_definitions'] as JsonObject[] | undefined) ?? []) {
    const number = Number(volume['volume_number']);
    if (
      made.has(`${name}/${number}`) ||
      definition.volumes.some((known) => known.number === number && known.sizeKib !== SIZE)
    )
      continue;
    definition.volumes = definition.volumes.filter((known) => known.number !== number);
    definition.volumes.push({
      number,
      uuid: String(volume['uuid']),
      sizeKib: Number(volume['size_kib']),
      flags: [],
      props: { ...(volume['props'] as Record<string, string> | undefined) },
    });
  }
  if (!first) return;
  definition.uuid = String(item['uuid']);
  definition.group = String(item['resource_group_name']);
  definition.props = { ...(item['props'] as Record<string, string> | undefined) };
  definition.flags = (item['flags'] as string[] | undefined) ?? [];
  definition.layers = ((item['layer_data'] as JsonObject[] | undefined) ?? []).map(
    (layer) => layer['type'] as LayerKind,
  );
  if (definition.layers.includes('DRBD')) definition.drbd = { secret: 'left', peerSlots: 7, transport: 'IP' };
}

/** Volume sizes are not shown with resources. KiB. */
const SIZE = 65536;

function readResource(lab: Lab, definitions: Map<string, LabDefinition>, item: JsonObject): void {
  const definition = definitionFor(definitions, String(item['name']));
  const node = String(item['node_name']);
  if (definition.resources.some((resource) => resource.node === node)) return;
  const resource: LabResource = {
    node,
    uuid: String(item['uuid']),
    props: { ...(item['props'] as Record<string, string> | undefined) },
    flags: (item['flags'] as string[] | undefined) ?? [],
    layers: ['STORAGE'],
    createdAt: Number(item['create_timestamp'] ?? 0),
    volumes: ((item['volumes'] as JsonObject[] | undefined) ?? []).map((volume) =>
      readVolume(lab, definition, node, volume),
    ),
  };
  definition.resources.push(resource);
}

function readVolume(lab: Lab, definition: LabDefinition, node: string, item: JsonObject): LabVolume {
  const number = Number(item['volume_number']);
  const pool = String(item['storage_pool_name']);
  if (!definition.volumes.some((known) => known.number === number)) {
    definition.volumes.push({ number, uuid: crypto.randomUUID(), sizeKib: SIZE, props: {}, flags: [] });
  }
  const { root } = lab.runtime;
  const file = imagePath(root, node, pool, imageName(definition.name, number));
  const device = devicePath(root, node, `${definition.name}_${String(number).padStart(5, '0')}`);
  createImage(file, SIZE, false);
  linkImage(file, device);
  const provider = String(item['provider_kind']) as Provider;
  return { number, uuid: String(item['uuid']), pool, provider, flags: [], made: true, file, device };
}

/** Groups that the scene finds when it wants to create them, or names as owners of what it shows. */
function groupsThere(scene: Scene): string[] {
  const found = new Set<string>();
  const created = new Set<string>();
  for (const { rest, cli } of scene.exchanges) {
    const text = JSON.stringify(rest?.answer ?? cli?.stdout ?? '');
    for (const [, name] of text.matchAll(/New resource group '([^']+)' created/g))
      if (name) created.add(name);
    for (const [, name] of text.matchAll(/A Resource group: (\S+) already exists/g))
      if (name && !created.has(name)) found.add(name);
    const all = (rest?.answer as JsonObject | undefined)?.['result'];
    if (all && typeof all === 'object')
      for (const name of Object.keys(all)) if (!created.has(name)) found.add(name);
  }
  return [...found];
}

function placeGroup(lab: Lab, scene: Scene, name: string): void {
  const { groups } = lab.runtime.state;
  if (groups.some((group) => group.name === name)) return;
  const wish = scene.exchanges
    .map(({ rest }) => rest?.body as JsonObject | undefined)
    .find((body) => body?.['name'] === name && 'select_filter' in body);
  const shown = scene.exchanges
    .flatMap(objectsShown)
    .find((item) => item['name'] === name && 'select_filter' in item);
  const filter = (shown?.['select_filter'] ??
    wish?.['select_filter'] ?? {
      place_count: 1,
      storage_pool_list: ['thin'],
      layer_stack: ['STORAGE'],
    }) as JsonObject;
  groups.push({
    name,
    uuid: crypto.randomUUID(),
    props: {},
    filter: { ...filter },
    volumes: [{ number: 0, uuid: crypto.randomUUID(), props: {}, flags: [] }],
  });
}
