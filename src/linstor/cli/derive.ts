import { DriverError } from '../../errors.ts';
import { describeText } from '../json.ts';
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

/**
 * The two columns of `key-value-store show`.
 * @throws LINSTOR_REPLY for what is no such table: an empty answer must not pass for an empty store
 */
export function keyValueTable(text: string, what: string): Readonly<Record<string, string>> {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(1, line.lastIndexOf('|')).split('|'))
    .map((cells) => cells.map((cell) => cell.trim()));
  const [header, ...pairs] = rows;
  if (header?.[0] !== 'Key' || header[1] !== 'Value' || pairs.some((cells) => cells.length !== 2)) {
    throw new DriverError(
      'LINSTOR_REPLY',
      `${what} printed ${describeText(text)} instead of a table of keys and values`,
    );
  }
  return Object.fromEntries(pairs.map(([key = '', value = '']) => [key, value]));
}
