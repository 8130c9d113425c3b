import type { CloneStatus, Resource, ResourceDefinition } from '../linstor.ts';

/*
 * Answers that the controller gives over REST and LINBIT's client has no command for, derived from its lists the way
 * the controller derives them.
 */

/** `KEY` or `KEY=VALUE`, as the controller's filter takes it. */
export function hasProp(props: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=');
  return at < 0 ? wanted in props : props[wanted.slice(0, at)] === wanted.slice(at + 1);
}

/** Every replica with a disk is UpToDate; plain storage always is (linstor-behaviour §7.4). */
export function inSync(resources: readonly Resource[]): boolean {
  const diskful = resources.filter(
    (resource) => resource.layers.includes('DRBD') && !resource.flags.includes('DISKLESS'),
  );
  return diskful.every(
    (resource) => resource.stateKnown && resource.volumes.every((volume) => volume.diskState === 'UpToDate'),
  );
}

/** The controller marks a clone by where it came from. */
export function isClone(definition: ResourceDefinition): boolean {
  return 'cloned-from' in definition.props;
}

/** Linstor-behaviour §3.13: a node that is away counts as failed, as it does for the controller. */
export function cloneStatusOf(definition: ResourceDefinition, resources: readonly Resource[]): CloneStatus {
  if (definition.flags.includes('FAILED')) return 'FAILED';
  if (definition.flags.includes('CLONING')) return 'CLONING';
  if (resources.some((resource) => !resource.stateKnown)) return 'FAILED';
  return inSync(resources) ? 'COMPLETE' : 'CLONING';
}
