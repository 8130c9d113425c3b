import { findDefinition } from '../model/definition.ts';
import { findResource } from '../model/resource.ts';
import type { Runtime } from '../runtime.ts';

/** Somebody opens or closes the device on a node. Only DRBD lets the controller know (linstor-behaviour §4.2). */
export function setInUse(lab: Runtime, name: string, node: string, inUse: boolean): void {
  const definition = findDefinition(lab.state, name);
  const resource = definition && findResource(definition, node);
  if (!resource) throw new Error(`the lab has no resource '${name}' on '${node}'`);
  if (resource.drbd) resource.drbd.inUse = inUse;
  lab.save();
}
