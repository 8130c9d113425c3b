import type { LabDefinition } from '../model/definition.ts';
import { findGroup } from '../model/group.ts';
import { byName } from '../model/name.ts';
import { isOnline } from '../model/node.ts';
import { DISKLESS_POOL, findPool } from '../model/pool.ts';
import {
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

const QUORUM = 'DrbdOptions/Resource/quorum';
const AUTO_TIE_BREAKER = 'DrbdOptions/auto-add-quorum-tiebreaker';
export const QUORUM_SET_BY = 'Internal/Drbd/QuorumSetBy';

/** Most specific value of a property: definition, group, controller. */
export function inherited(lab: Runtime, definition: LabDefinition, key: string): string | undefined {
  return (
    definition.props[key] ??
    findGroup(lab.state, definition.group)?.props[key] ??
    lab.state.controllerProps[key]
  );
}

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
export function wantsTieBreaker(lab: Runtime, definition: LabDefinition, without?: LabResource): boolean {
  if (!enabled(lab, definition)) return false;
  const group = findGroup(lab.state, definition.group)?.props[QUORUM];
  const own = definition.props[QUORUM_SET_BY] === 'user' ? definition.props[QUORUM] : undefined;
  if ((own ?? group) === 'off') return false;
  const rest = definition.resources.filter((resource) => resource !== without && staysDrbd(resource));
  const full = rest.filter((resource) => !isDiskless(resource)).length;
  const other = rest.filter((resource) => isDiskless(resource) && !isTieBreaker(resource)).length;
  return full >= 2 && full % 2 === 0 && other === 0;
}

export function disableTieBreaker(definition: LabDefinition): void {
  definition.props[AUTO_TIE_BREAKER] = 'False';
}

export function enableTieBreaker(definition: LabDefinition): void {
  definition.props[AUTO_TIE_BREAKER] = 'True';
}

/** Registers a tie-breaker where one is due; the caller deploys it. */
export function addTieBreaker(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
): LabResource | undefined {
  if (tieBreakerOf(definition) || !wantsTieBreaker(lab, definition)) return undefined;
  const layers = diskful(definition)[0]?.layers ?? ['DRBD', 'STORAGE'];
  const node = byName(lab.state.nodes, (item) => item.name).find(
    (item) =>
      isOnline(item) &&
      item.layers.includes('DRBD') &&
      !item.flags.some((flag) => ['EVICTED', 'EVACUATE', 'DELETE'].includes(flag)) &&
      item.props['AutoplaceTarget']?.toLowerCase() !== 'false' &&
      !definition.resources.some((resource) => resource.node === item.name),
  );
  const pool = node && findPool(lab.state, node.name, DISKLESS_POOL);
  if (!node || !pool) {
    const text = `Could not find suitable node to automatically create a tie breaking resource for '${definition.name}'.`;
    reply.add(1013, text, { severity: 'warning' });
    return undefined;
  }
  const flags = ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'];
  const resource = register(lab, definition, { node: node.name, pool, layers, flags });
  reply
    .within({ operation: 'create', object: 'resource' })
    .add(CREATED, 'Successfully set property key(s): StorPoolName');
  reply.add(10003, `Tie breaker resource '${definition.name}' created on ${node.name}`, { severity: 'info' });
  return resource;
}

/** Three diskful replicas, or two and a diskless one. */
function quorumFeasible(definition: LabDefinition): boolean {
  const rest = definition.resources.filter(staysDrbd);
  const full = rest.filter((resource) => !isDiskless(resource)).length;
  return full >= 3 || (full === 2 && rest.length > full);
}

/** Writes the quorum property and says so where the real one does. */
export function settleQuorum(reply: Reply, definition: LabDefinition): void {
  if (definition.props[QUORUM_SET_BY] === 'user') return;
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
