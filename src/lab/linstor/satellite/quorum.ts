import type { LabDefinition } from '../model/definition.ts';
import type { SelectFilter } from '../model/filter.ts';
import { findGroup } from '../model/group.ts';
import { inheritedProp } from '../model/kernel.ts';
import { findNode, isOnline } from '../model/node.ts';
import { tieBreakerPool } from '../model/placement.ts';
import { QUORUM, QUORUM_SET_BY } from '../model/properties.ts';
import {
  clearFlags,
  diskful,
  isDeleting,
  isDiskless,
  isDrbd,
  isTieBreaker,
  type LabResource,
} from '../model/resource.ts';
import { CREATED } from '../rest/codes.ts';
import type { Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { register } from './deploy.ts';

/** Tie-breaker and quorum of DRBD resources (linstor-behaviour §7.7). */

const AUTO_TIE_BREAKER = 'DrbdOptions/auto-add-quorum-tiebreaker';

export const inherited = (lab: Runtime, definition: LabDefinition, key: string): string | undefined =>
  inheritedProp(lab.state, definition, key);

const staysDrbd = (resource: LabResource): boolean =>
  isDrbd(resource) &&
  !isDeleting(resource) &&
  !resource.flags.includes('INACTIVE') &&
  !resource.flags.includes('DRBD_DELETE');

export function tieBreakerOf(definition: LabDefinition): LabResource | undefined {
  return definition.resources.find((resource) => isTieBreaker(resource) && !isDeleting(resource));
}

const enabled = (lab: Runtime, definition: LabDefinition): boolean =>
  inherited(lab, definition, AUTO_TIE_BREAKER)?.toLowerCase() === 'true';

/** An even number of diskful replicas, at least two, and no diskless one that counts already. */
export function wantsTieBreaker(lab: Runtime, definition: LabDefinition): boolean {
  if (!enabled(lab, definition)) return false;
  const isUsers = inherited(lab, definition, QUORUM_SET_BY) === 'user';
  if (isUsers && inherited(lab, definition, QUORUM) === 'off') return false;
  const rest = definition.resources.filter(staysDrbd);
  const full = rest.filter((resource) => !isDiskless(resource)).length;
  const other = rest.filter((resource) => isDiskless(resource) && !isTieBreaker(resource)).length;
  return full >= 2 && full % 2 === 0 && other === 0;
}

const groupFilter = (lab: Runtime, definition: LabDefinition): SelectFilter =>
  findGroup(lab.state, definition.group)?.filter ?? {};

/** What LINSTOR decides of itself when a replica goes. */
export interface Decision {
  /** This one stays, without data, as the tie-breaker. */
  readonly takenOver?: LabResource;
  /** To be deployed. */
  readonly fresh?: LabResource;
  /** To be removed. */
  readonly superfluous?: LabResource;
}

/**
 * Tie-breaker, then quorum, as they are settled at each step of a deletion (`CtrlRscAutoTieBreakerHelper`, `CtrlRscAutoQuorumHelper`,
 * LINSTOR 1.33.3): a replica that is on its way out may be kept as the tie-breaker; a tie-breaker that its user deletes switches the
 * automatism off; one that is not due any more is marked, at every look.
 */
export function settleDeletion(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  keepTieBreaker: boolean,
): Decision {
  const decision = settleTieBreaker(lab, reply, definition, keepTieBreaker);
  settleQuorum(lab, reply, definition);
  return decision;
}

const leaves = (resource: LabResource): boolean =>
  isDeleting(resource) || resource.flags.includes('DRBD_DELETE');

function settleTieBreaker(lab: Runtime, reply: Reply, definition: LabDefinition, keep: boolean): Decision {
  if (keep && !enabled(lab, definition)) {
    definition.props[AUTO_TIE_BREAKER] = 'True';
    reply.add(10002, 'Autotiebreaker automatically enabled due to --keep-tiebreaker', { severity: 'info' });
  }
  const present = definition.resources.find(isTieBreaker);
  if (wantsTieBreaker(lab, definition)) {
    if (!present) return replaceTieBreaker(lab, reply, definition);
    if (!present.flags.includes('DRBD_DELETE') || isBeingEvacuated(lab, present)) return {};
    if (keep) return takeOver(reply, present);
    definition.props[AUTO_TIE_BREAKER] = 'False';
    const text = `Disabling auto-tiebreaker on resource-definition '${definition.name}' as tiebreaker resource was manually deleted`;
    reply.add(10002, text, { severity: 'info' });
    return {};
  }
  // One on a node that is away stays until that is back.
  if (!present || !isOnline(findNode(lab.state, present.node))) return {};
  markDeleted(present);
  reply.add(10004, 'Tie breaker marked for deletion', { severity: 'info' });
  return { superfluous: present };
}

function isBeingEvacuated(lab: Runtime, { node }: LabResource): boolean {
  const flags = findNode(lab.state, node)?.flags ?? [];
  return flags.includes('EVACUATE') || flags.includes('EVICTED');
}

function replaceTieBreaker(lab: Runtime, reply: Reply, definition: LabDefinition): Decision {
  const going = definition.resources.filter(
    (resource) =>
      leaves(resource) &&
      !isBeingEvacuated(lab, resource) &&
      tieBreakerPool(lab.state, definition, groupFilter(lab, definition), resource.node) !== undefined,
  );
  const stays = going.find(isDiskless) ?? going.at(-1);
  if (stays) return takeOver(reply, stays);
  const fresh = addTieBreaker(lab, reply, definition);
  return fresh ? { fresh } : {};
}

function takeOver(reply: Reply, resource: LabResource): Decision {
  for (const item of [resource, ...resource.volumes]) clearFlags(item, 'DELETE', 'DRBD_DELETE');
  const text =
    'The given resource will not be deleted but will be taken over as a linstor managed tiebreaker resource.';
  reply.add(10006, text, { severity: 'info' });
  return { takenOver: resource };
}

/** With its volumes; `DELETE` stands before what is known only to DRBD. */
export function markDeleted(resource: LabResource): void {
  for (const item of [resource, ...resource.volumes]) item.flags = [...new Set(['DELETE', ...item.flags])];
}

/** Registers a tie-breaker where one is due; the caller deploys it. */
export function addTieBreaker(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
): LabResource | undefined {
  if (tieBreakerOf(definition) || !wantsTieBreaker(lab, definition)) return undefined;
  const layers = diskful(definition)[0]?.layers ?? ['DRBD', 'STORAGE'];
  const pool = tieBreakerPool(lab.state, definition, groupFilter(lab, definition));
  if (!pool) {
    const text = `Could not find suitable node to automatically create a tie breaking resource for '${definition.name}'.`;
    reply.add(1013, text, { severity: 'warning' });
    return undefined;
  }
  const flags = ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'];
  const resource = register(lab, definition, { node: pool.node, pool, layers, flags });
  reply
    .within({ operation: 'create', object: 'resource' })
    .add(CREATED, 'Successfully set property key(s): StorPoolName');
  reply.add(10003, `Tie breaker resource '${definition.name}' created on ${pool.node}`, { severity: 'info' });
  return resource;
}

/** Three diskful replicas, or two and a diskless one; one that DRBD alone lets go of counts still. */
function quorumFeasible(definition: LabDefinition): boolean {
  const rest = definition.resources.filter(
    (resource) => isDrbd(resource) && !isDeleting(resource) && !resource.flags.includes('INACTIVE'),
  );
  const full = rest.filter((resource) => !isDiskless(resource)).length;
  return full >= 3 || (full === 2 && rest.length > full);
}

/** Writes the quorum property and says so where the real one does. */
export function settleQuorum(lab: Runtime, reply: Reply, definition: LabDefinition): void {
  if (inherited(lab, definition, QUORUM_SET_BY) === 'user') return;
  const before = definition.props[QUORUM];
  const after = quorumFeasible(definition) ? 'majority' : 'off';
  definition.props[QUORUM] = after;
  if (after === 'majority' && before !== 'majority') {
    const from = before === undefined ? 'undefined' : `'${before}'`;
    const text = `Resource-definition property '${QUORUM}' updated from ${from} to 'majority' by AutoQuorum`;
    reply.add(10002, text, { severity: 'info' });
  }
  if (after === 'off' && before === 'majority') {
    const text = `Resource-definition property '${QUORUM}' was removed as there are not enough resources for quorum`;
    reply.add(10005, text, { severity: 'info' });
  }
}

/** Chosen once, when the first DRBD resource is made. */
export function settleVerifyAlgorithm(reply: Reply, definition: LabDefinition): void {
  if (!definition.resources.some(isDrbd) || definition.props['DrbdOptions/auto-verify-alg']) return;
  definition.props['DrbdOptions/auto-verify-alg'] = 'sha512';
  reply.add(0, `Updated ${definition.name} DRBD auto verify algorithm to 'sha512'`, { severity: 'info' });
}
