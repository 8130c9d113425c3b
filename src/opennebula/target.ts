import { posix } from 'node:path';
import { DriverError } from '../errors.ts';

/** A place that OpenNebula names as `host:path` (contract §3.1). */
export interface Target {
  readonly host: string;
  /** Absolute and normalised: oned doubles slashes. */
  readonly path: string;
}

/** `<datastores>/<system datastore>/<vm>/disk.<id>` */
export interface DiskTarget extends Target {
  readonly kind: 'disk';
  readonly directory: string;
  readonly diskId: number;
  readonly vmId: number;
  readonly systemDatastoreId: number;
}

/** `<datastores>/<system datastore>/<vm>`, or a file in it that is no disk (`kernel`, `initrd`). */
export interface PathTarget extends Target {
  readonly kind: 'directory' | 'file';
  readonly directory: string;
  readonly vmId: number;
  readonly systemDatastoreId: number;
}

/** Splits at the first colon. Throws BAD_ARGUMENT. */
export function parseTarget(argument: string | undefined, what: string): Target {
  const colon = argument?.indexOf(':') ?? -1;
  if (argument === undefined || colon <= 0)
    throw new DriverError('BAD_ARGUMENT', `${what} “${argument ?? ''}” is not of the form host:path`);
  const host = argument.slice(0, colon);
  const raw = argument.slice(colon + 1);
  if (!raw.startsWith('/'))
    throw new DriverError('BAD_ARGUMENT', `${what} “${argument}” has no absolute path`);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(host))
    throw new DriverError('BAD_ARGUMENT', `${what} “${argument}” names no valid host`);
  return { host, path: posix.normalize(raw).replace(/(.)\/$/, '$1') };
}

/** The place of a disk or of a VM's directory. Throws BAD_ARGUMENT for any other path: nothing outside is ever touched. */
export function parseVmTarget(argument: string | undefined, what: string): DiskTarget | PathTarget {
  const { host, path } = parseTarget(argument, what);
  const inside = /^(.*\/(\d+)\/(\d+))\/([^/]+)$/.exec(path);
  const disk = inside ? /^disk\.(\d+)$/.exec(inside[4] ?? '') : null;
  if (inside && disk) {
    return {
      kind: 'disk',
      host,
      path,
      directory: inside[1] ?? '',
      systemDatastoreId: Number(inside[2]),
      vmId: Number(inside[3]),
      diskId: Number(disk[1]),
    };
  }
  const directory = /^(.*\/(\d+)\/(\d+))$/.exec(path);
  if (directory) {
    return {
      kind: 'directory',
      host,
      path,
      directory: path,
      systemDatastoreId: Number(directory[2]),
      vmId: Number(directory[3]),
    };
  }
  if (inside) {
    return {
      kind: 'file',
      host,
      path,
      directory: inside[1] ?? '',
      systemDatastoreId: Number(inside[2]),
      vmId: Number(inside[3]),
    };
  }
  throw new DriverError('BAD_ARGUMENT', `${what} “${argument}” is neither a VM’s disk nor its directory`);
}

/** Throws BAD_ARGUMENT unless the place is a disk. */
export function requireDiskTarget(argument: string | undefined, what: string): DiskTarget {
  const target = parseVmTarget(argument, what);
  if (target.kind !== 'disk')
    throw new DriverError('BAD_ARGUMENT', `${what} “${argument}” is not the path of a disk`);
  return target;
}

/** A whole number of at least `min`; throws BAD_ARGUMENT. */
export function parseId(argument: string | undefined, what: string, min = 0): number {
  if (argument === undefined || !/^-?\d{1,15}$/.test(argument) || Number(argument) < min) {
    throw new DriverError(
      'BAD_ARGUMENT',
      `${what} “${argument ?? ''}” is not a number${min === 0 ? '' : ` of at least ${min}`}`,
    );
  }
  return Number(argument);
}
