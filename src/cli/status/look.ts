import type { Context } from '../../context.ts';
import { DriverError, isDriverError } from '../../errors.ts';
import type { LogFilter } from '../../log/read-log.ts';
import type { RunningAction } from '../../log/read-running.ts';
import { vmState } from '../../opennebula/states.ts';
import { policyTextFor } from '../../vm-snapshots/policies.ts';
import { type ClusterView, type Known, orElse } from '../checks/facts.ts';
import { datastoreDetail } from './datastore.ts';
import { type ClusterStatus, clusterStatus } from './model.ts';
import { imageStatus, isLocal, vmStatus } from './object.ts';
import { placeStatus } from './place.ts';
import { renderImage, renderVm, runningBlock, type Screen } from './render.ts';
import { isDegraded, renderDatastore, renderPlace } from './render-places.ts';
import { choose, numericKey, type Subject, unknownSubject } from './subject.ts';

/** What one look found: a screen, the same as a document, and whether all is well. */
export interface Look {
  readonly text: string;
  readonly document: unknown;
  readonly well: boolean;
}

/** Actions that are about the object. */
type Running = (filter: LogFilter) => RunningAction[];

/** One object of OpenNebula or LINSTOR in detail. Throws ONE_NOT_FOUND, and what made looking impossible. */
export function lookAtSubject(
  context: Context,
  view: ClusterView,
  subject: Subject,
  screen: Screen,
  running: Running,
): Promise<Look> | Look {
  const clusters = view.clusters.map((cluster) => clusterStatus(cluster, view.one));
  switch (subject.what) {
    case 'vm':
      return lookAtVm(context, view, clusters, subject, screen, running);
    case 'image':
      return lookAtImage(context, view, clusters, subject, screen, running);
    case 'host':
    case 'node':
      return lookAtPlace(view, clusters, subject, screen);
    case 'datastore':
      return lookAtDatastore(view, clusters, subject, screen);
  }
}

async function lookAtVm(
  context: Context,
  view: ClusterView,
  clusters: readonly ClusterStatus[],
  subject: Subject,
  screen: Screen,
  running: Running,
): Promise<Look> {
  const all = orThrow(view.one.vms);
  throwIfUnreachable(clusters);
  const vm = await found(subject, all, (id) => context.one.vm(id));
  const status = vmStatus(
    vm,
    clusters.flatMap((cluster) => cluster.volumes),
    policyTextFor(vm, orElse(view.one.datastores, [])),
  );
  const actions = running({ vm: vm.id });
  const volumes = [
    ...status.disks.flatMap((item) => item.volume ?? []),
    ...(status.checkpoint ? [status.checkpoint] : []),
  ];
  const missing =
    vm.state !== vmState.DONE &&
    vm.history.length > 0 &&
    status.disks.some((item) => item.disk.tmMad === 'linstor_un' && !item.volume);
  return {
    text: renderVm(status, screen) + runningText(actions, screen),
    document: {
      vm: {
        id: vm.id,
        name: vm.name,
        host: vm.history.at(-1)?.hostname ?? null,
        datastore: vm.history.at(-1)?.datastoreId ?? null,
      },
      disks: status.disks.map(({ disk, volume }) => ({
        id: disk.id,
        kind: disk.kind,
        image: disk.imageId ?? null,
        local: isLocal(volume) ?? null,
        volume: volume ?? null,
      })),
      checkpoint: status.checkpoint ?? null,
      snapshots: status.whole ?? null,
      running: actions,
    },
    well: !missing && status.whole?.safety !== true && volumes.every((volume) => volume.trouble.length === 0),
  };
}

async function lookAtImage(
  context: Context,
  view: ClusterView,
  clusters: readonly ClusterStatus[],
  subject: Subject,
  screen: Screen,
  running: Running,
): Promise<Look> {
  const all = orThrow(view.one.images);
  throwIfUnreachable(clusters);
  const image = await found(subject, all, (id) => context.one.image(id));
  const actions = running({ image: image.id });
  const status = imageStatus(
    image,
    orElse(view.one.vms, []),
    clusters.flatMap((cluster) => cluster.volumes),
  );
  return {
    text: renderImage(status, screen) + runningText(actions, screen),
    document: {
      image: {
        id: image.id,
        name: image.name,
        persistent: image.persistent,
        datastore: image.datastoreId ?? null,
      },
      volume: status.volume ?? null,
      vms: status.vms,
      running: actions,
    },
    well: status.volume !== undefined && status.volume.trouble.length === 0,
  };
}

const runningText = (actions: readonly RunningAction[], screen: Screen): string =>
  actions.length === 0 ? '' : `\n${runningBlock(actions, screen).join('\n')}\n`;

/** A host by OpenNebula's name or id, a node by LINSTOR's: of the same machine both show the same. */
function lookAtPlace(
  view: ClusterView,
  clusters: readonly ClusterStatus[],
  subject: Subject,
  screen: Screen,
): Look {
  throwIfUnreachable(clusters);
  const both = view.clusters.flatMap((facts, index) => {
    const status = clusters[index];
    return status ? [{ facts, status }] : [];
  });
  const place =
    subject.what === 'host'
      ? placeStatus({ host: choose(subject, orThrow(view.one.hosts)) }, view.one, both)
      : placeStatus(
          {
            nodeName: choose(
              subject,
              clusters.flatMap(({ nodes }) => nodes.map(({ name }) => ({ name }))),
            ).name,
          },
          view.one,
          both,
        );
  return {
    text: renderPlace(place, screen),
    document: place,
    well:
      place.node !== undefined &&
      place.node.status === 'ONLINE' &&
      place.volumes.every((volume) => volume.trouble.length === 0),
  };
}

function lookAtDatastore(
  view: ClusterView,
  clusters: readonly ClusterStatus[],
  subject: Subject,
  screen: Screen,
): Look {
  const datastore = choose(subject, orThrow(view.one.datastores));
  const facts = view.clusters.find((cluster) => cluster.datastores.includes(datastore.id));
  if (!facts)
    throw new DriverError('BAD_ARGUMENT', `datastore ${datastore.id} “${datastore.name}” is not on LINSTOR`, {
      remedy: `its driver is ${datastore.tmMad}; linstor_un status lists the datastores of this driver`,
    });
  throwIfUnreachable(clusters);
  const detail = datastoreDetail(
    datastore,
    view.one,
    facts,
    clusters.flatMap((cluster) => cluster.volumes),
  );
  return {
    text: renderDatastore(detail, screen),
    document: detail,
    well: !detail.rows.some(isDegraded),
  };
}

/** In the list of what there is, else by its id: OpenNebula still knows a VM that is done. */
async function found<T extends { readonly id: number; readonly name: string }>(
  subject: Subject,
  all: readonly T[],
  byId: (id: number) => Promise<T>,
): Promise<T> {
  const id = numericKey(subject);
  if (id === undefined || all.some((item) => item.id === id || item.name === subject.key))
    return choose(subject, all);
  try {
    return await byId(id);
  } catch (error) {
    if (isDriverError(error, 'ONE_NOT_FOUND')) throw unknownSubject(subject, all);
    throw error;
  }
}

function orThrow<T>(known: Known<T>): T {
  if (known.ok) return known.value;
  throw known.error;
}

/** “There is no volume” would be a lie when LINSTOR did not answer. */
function throwIfUnreachable(clusters: readonly ClusterStatus[]): void {
  const error = clusters.find((cluster) => cluster.error !== undefined)?.error;
  if (error !== undefined) throw new DriverError('LINSTOR_UNREACHABLE', error);
}
