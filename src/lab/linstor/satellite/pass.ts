import type { LabDefinition } from '../model/definition.ts';
import { byName } from '../model/name.ts';
import { doesAnswer, findNode } from '../model/node.ts';
import { notConnectedDetails, spoken, traitsOf } from '../model/pool.ts';
import { isDeleting, isDrbd, type LabResource, type LabVolume } from '../model/resource.ts';
import { CREATED, DELETED, MODIFIED, type Operation } from '../rest/codes.ts';
import { type CallScope, Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { makeVolume } from './device.ts';
import { noteInitialized } from './first-replica.ts';

/** One round of "apply this on the satellites", as most writing calls do it, sometimes several times. */
export interface PassOptions {
  /** The controller's own line for a node, after the satellite's lines. */
  readonly message?: (resource: LabResource) => string | undefined;
  /** Satellite lines between its own and the controller's: snapshots taken, … */
  readonly extra?: (resource: LabResource) => void | Promise<void>;
  /** What the satellites say about DRBD. */
  readonly drbd?:
    | 'adjusted'
    | 'not adjusted'
    | 'silent'
    | ((resource: LabResource) => 'adjusted' | 'not adjusted' | 'silent');
  /** `false`: nothing about volumes that are there already. */
  readonly storage?: boolean;
  readonly resources?: readonly LabResource[];
  /** Belongs to a round that is counted already. */
  readonly counted?: boolean;
  /** Where the controller's lines go (another object than the satellites'). */
  readonly speaker?: Reply;
}

export async function pass(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  options: PassOptions = {},
): Promise<void> {
  const resources = byName(options.resources ?? definition.resources, (resource) => resource.node);
  const speaker = options.speaker ?? reply;
  let failed = false;
  if (!options.counted) beginRound(lab, resources);
  for (const resource of resources) {
    const trouble = lab.faults.satelliteErrors.get(resource.node);
    if (trouble !== undefined) {
      failed = true;
      satelliteFails(lab, reply, resource.node, trouble);
      continue;
    }
    if (doesAnswer(findNode(lab.state, resource.node))) {
      await applyOn(lab, reply, definition, resource, options);
      await options.extra?.(resource);
    } else {
      warnOffline(lab, speaker, resource.node);
    }
    const message = options.message?.(resource);
    if (message !== undefined) speaker.add(MODIFIED, message);
  }
  noteInitialized(lab, definition);
  if (failed) throw new SatelliteFailure(reply.scope);
}

/** Something is asked of the satellites of these resources, and the call waits for them. */
export function beginRound(lab: Runtime, resources: readonly { readonly node: string }[]): void {
  lab.work.pass(
    resources.flatMap((resource) => {
      const node = findNode(lab.state, resource.node);
      return node?.connection === 'ONLINE' ? [node.name] : [];
    }),
  );
}

const nouns: Record<Operation, string> = { create: 'Creation', modify: 'Modification', delete: 'Deletion' };

/** The controller's wrapper after a satellite failed; what was decided and said before stays (linstor-behaviour §2.1). */
export class SatelliteFailure extends Refusal {
  constructor(scope: CallScope) {
    const what = `${nouns[scope.operation]} of ${scope.subject}`;
    super(
      998,
      `${what} failed due to an unhandled exception of type DelayedApiRcException. Exceptions have been converted to responses`,
      {
        report: true,
      },
    );
  }
}

function satelliteFails(lab: Runtime, reply: Reply, node: string, message: string): void {
  lab.faults.satelliteErrors.delete(node);
  const report = lab.report(message, 'StorageException', node);
  reply.add(998, `(${node}) ${message}`, { severity: 'error', reports: [report] });
}

/**
 * Writes go on with a warning, and with success lines for the node that is away (linstor-behaviour §7.8); one that merely
 * hangs is waited for.
 */
export function warnOffline(lab: Runtime, reply: Reply, node: string): void {
  if (lab.work.isHung(node)) {
    lab.work.untold(node);
    return;
  }
  reply.add(1002, `No active connection to satellite '${node}'`, {
    severity: 'warning',
    details: notConnectedDetails,
  });
}

async function applyOn(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  options: PassOptions,
): Promise<void> {
  for (const volume of resource.volumes) await applyVolume(lab, reply, definition, resource, volume, options);
  if (resource.createdAt === undefined && !isDeleting(resource)) resource.createdAt = lab.now();
  if (!isDrbd(resource) || resource.volumes.length === 0) return;
  const word = typeof options.drbd === 'function' ? options.drbd(resource) : (options.drbd ?? 'adjusted');
  if (word === 'adjusted') drbdSays(reply, definition, resource, 'adjusted.');
  if (word === 'not adjusted') {
    reply.add(0, `(${resource.node}) Resource '${definition.name}' [DRBD] not adjusted `, {
      object: 'resource',
      refs: { RscDfn: definition.name },
      cause: 'This happened most likely because the layer below did not provide a device to work with.',
    });
  }
}

async function applyVolume(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  volume: LabVolume,
  options: PassOptions,
): Promise<void> {
  if (!volume.made) {
    await makeVolume(lab, { definition, resource, volume });
    if (volume.provider !== 'DISKLESS') volumeSays(reply, definition, resource, volume, 'created');
    return;
  }
  if (options.storage !== false && volume.provider !== 'DISKLESS' && traitsOf(volume.provider).noisy) {
    volumeSays(reply, definition, resource, volume, 'resized');
  }
}

const wordCodes = { created: CREATED, resized: MODIFIED, deleted: DELETED } as const;

export function volumeSays(
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  volume: LabVolume,
  word: keyof typeof wordCodes,
): void {
  const what = `Volume number ${volume.number} of resource '${definition.name}' [${spoken(volume.provider)}]`;
  reply.add(wordCodes[word], `(${resource.node}) ${what} ${word}`, {
    object: 'volume',
    refs: { RscDfn: definition.name, VlmNr: String(volume.number) },
  });
}

export function drbdSays(
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  word: 'adjusted.' | 'deleted.',
): void {
  reply.add(
    word === 'deleted.' ? DELETED : MODIFIED,
    `(${resource.node}) Resource '${definition.name}' [DRBD] ${word}`,
    {
      object: 'resource',
      refs: { RscDfn: definition.name },
    },
  );
}
