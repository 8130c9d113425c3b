import type { Context } from '../context.ts';
import { nodeOfHost } from '../disks/host-node.ts';
import { DriverError } from '../errors.ts';
import type { NodeName, Resource, ResourceDefinition } from '../linstor/linstor.ts';
import type { Image, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { vmState } from '../opennebula/states.ts';
import { parseResource, properName, resourceKeyOf, sourceOf } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { clustersOf } from './clusters.ts';
import { requireHost } from './fence.ts';
import { type Survival, survives } from './survival.ts';

/**
 * `lost`: no copy is left. `stalled`: there is one, and nobody may write to it. `last`: one copy is left of several. `fewer`: several
 * are left. `same`: as many as before.
 */
export type Fate = 'lost' | 'stalled' | 'last' | 'fewer' | 'same';
export const fates: readonly Fate[] = ['lost', 'stalled', 'last', 'fewer', 'same'];

export interface VolumeFate extends Survival {
  readonly fate: Fate;
  readonly vm?: number;
  readonly image?: number;
  readonly disk?: number;
}

export interface VmFate {
  readonly id: number;
  readonly name: string;
  /** It runs on the host and stops with it. */
  readonly stops: boolean;
  /** The worst of its volumes. */
  readonly fate: Fate;
  readonly volumes: readonly VolumeFate[];
}

export interface WhatIf {
  readonly host: string;
  readonly node: NodeName;
  readonly vms: readonly VmFate[];
  /** Images that no VM of the list has. */
  readonly images: readonly VolumeFate[];
}

export interface WhatIfFacts {
  readonly vms: readonly Vm[];
  readonly images: readonly Image[];
  readonly settings: Settings;
  readonly node: NodeName;
  readonly host: string;
  readonly definitions: readonly ResourceDefinition[];
  readonly resources: readonly Resource[];
  readonly cluster: Parameters<typeof survives>[3];
}

/** What the host's absence would do, from what OpenNebula and LINSTOR know now. Throws where one of them does not answer. */
export async function whatIf(ctx: Context, host: string): Promise<WhatIf> {
  const facts = await readFacts(ctx, host);
  const answers = facts.map(judgeAbsence);
  const [first] = answers;
  if (!first)
    throw new DriverError('NODE_UNKNOWN', `host “${host}” is not a node of a LINSTOR that a datastore uses`);
  return {
    ...first,
    vms: answers.flatMap(({ vms }) => vms),
    images: answers.flatMap(({ images }) => images),
  };
}

async function readFacts(ctx: Context, host: string): Promise<WhatIfFacts[]> {
  const [hosts, datastores, vms, images] = await Promise.all([
    ctx.one.hosts(),
    ctx.one.datastores(),
    ctx.one.vms(),
    ctx.one.images(),
  ]);
  requireHost(hosts, host);
  const found = await Promise.all(
    clustersOf(ctx, datastores).map(async ({ settings }): Promise<WhatIfFacts | undefined> => {
      const linstor = ctx.linstor(settings);
      const nodes = await linstor.nodes();
      const node = nodeOfHost(host, nodes, settings.nodeMap)?.name;
      if (node === undefined) return undefined;
      const [groups, definitions, resources, properties] = await Promise.all([
        linstor.resourceGroups(),
        linstor.definitions(),
        linstor.resources(),
        linstor.controllerProperties(),
      ]);
      return {
        vms,
        images,
        settings,
        node,
        host,
        definitions,
        resources,
        cluster: { nodes, groups, properties },
      };
    }),
  );
  return found.filter((each) => each !== undefined);
}

export function judgeAbsence(facts: WhatIfFacts): WhatIf {
  const { vms, images, settings, node, host, definitions, resources, cluster } = facts;
  const bySource = new Map(images.map((image) => [image.source.trim().toLowerCase(), image]));
  const byName = Map.groupBy(resources, ({ name }) => name.toLowerCase());
  const volumes = definitions.flatMap((definition): VolumeFate[] => {
    const parsed = parseResource(settings.namePrefix, definition.name);
    // An image may be of any name: what was adopted, what was in the trash.
    const image = bySource.get(sourceOf(definition.name).toLowerCase())?.id ?? parsed?.imageId;
    const isOurs = image !== undefined || (parsed !== undefined && parsed.kind !== 'scratch');
    if (!isOurs || definition.flags.includes('DELETE')) return [];
    const replicas = byName.get(definition.name.toLowerCase()) ?? [];
    const survival = survives(definition, replicas, node, cluster);
    return [
      {
        ...survival,
        fate: fateOf(survival),
        ...(parsed?.vmId === undefined ? {} : { vm: parsed.vmId }),
        ...(parsed?.diskId === undefined ? {} : { disk: parsed.diskId }),
        ...(image === undefined ? {} : { image }),
      },
    ];
  });
  const named = new Map(volumes.map((volume) => [properName(volume.resource).toLowerCase(), volume]));
  const used = new Set<VolumeFate>();
  const vmFates = vms.flatMap((vm): VmFate[] => {
    const own = volumes.filter((volume) => volume.vm === vm.id);
    const attached = vm.disks.flatMap((disk) => {
      const source = resourceKeyOf(disk.source);
      const volume =
        source === undefined || ['clone', 'volatile'].includes(disk.kind) ? undefined : named.get(source);
      return volume ? [{ ...volume, disk: disk.id, found: volume }] : [];
    });
    for (const { found } of attached) used.add(found);
    const all = [...own, ...attached.map(({ found: _, ...volume }) => volume)];
    const stops = vm.state === vmState.ACTIVE && sameName(vm.history.at(-1)?.hostname ?? '', host);
    const fate = worst(all.map((volume) => volume.fate));
    if (all.length === 0 || (fate === 'same' && !stops)) return [];
    return [{ id: vm.id, name: vm.name, stops, fate, volumes: all }];
  });
  const known = new Set(images.map(({ id }) => id));
  return {
    host,
    node,
    vms: vmFates.toSorted(
      (a, b) => rank(a.fate) - rank(b.fate) || Number(b.stops) - Number(a.stops) || a.id - b.id,
    ),
    images: volumes
      .filter((volume) => volume.image !== undefined && known.has(volume.image))
      .filter((volume) => !used.has(volume) && volume.fate !== 'same')
      .toSorted((a, b) => rank(a.fate) - rank(b.fate) || (a.image ?? 0) - (b.image ?? 0)),
  };
}

const rank = (fate: Fate): number => fates.indexOf(fate);
const worst = (list: readonly Fate[]): Fate => list.toSorted((a, b) => rank(a) - rank(b))[0] ?? 'same';

function fateOf({ copies, left, writable }: Survival): Fate {
  if (copies > 0 && left === 0) return 'lost';
  if (left > 0 && !writable) return 'stalled';
  if (left === copies) return 'same';
  return left === 1 ? 'last' : 'fewer';
}

/** Nobody loses data or stands still. */
export const isHarmless = ({ vms, images }: WhatIf): boolean =>
  [...vms, ...images].every(({ fate }) => fate !== 'lost' && fate !== 'stalled');
