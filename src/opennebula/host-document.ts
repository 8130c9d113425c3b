import { count, id, nonEmpty, readFields } from './fields.ts';
import type { Host } from './one.ts';
import { hostState } from './states.ts';
import type { XmlElement } from './xml.ts';

const hostFields = { ID: id, NAME: nonEmpty, STATE: count };

/**
 * Not in error, disabled or offline: the rule by which OpenNebula itself thins out BRIDGE_LIST (contract §2.8). A
 * host that waits for its first monitoring stays in, or none would be left right after a start of oned.
 */
const usable: ReadonlySet<number> = new Set([
  hostState.INIT,
  hostState.MONITORING_MONITORED,
  hostState.MONITORED,
  hostState.MONITORING_INIT,
]);

/** `<HOST>`. Throws ONE_INCOMPLETE. */
export function readHost(element: XmlElement): Host {
  const fields = readFields(element, hostFields, `host ${element.value('NAME') ?? '?'}`);
  const cluster = element.value('CLUSTER_ID');
  return {
    id: fields.ID,
    name: fields.NAME,
    state: fields.STATE,
    enabled: usable.has(fields.STATE),
    ...(cluster !== undefined && /^\d+$/.test(cluster) ? { clusterId: Number(cluster) } : {}),
  };
}
