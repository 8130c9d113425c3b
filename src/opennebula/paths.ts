import { DriverError } from '../errors.ts';

/** `host:path` of a TM argument, split at the first colon (contract §3.1). */
export interface HostPath {
  readonly host: string;
  /** Without doubled slashes. */
  readonly path: string;
}

/** Throws BAD_ARGUMENT when there is no colon, no host or no path. */
export function hostPath(argument: string): HostPath {
  const colon = argument.indexOf(':');
  const host = argument.slice(0, Math.max(colon, 0));
  const path = normalPath(argument.slice(colon + 1));
  if (colon < 1 || path === '') {
    throw new DriverError('BAD_ARGUMENT', `“${argument}” is not of the form host:path`);
  }
  return { host, path };
}

/** The core writes `/var/lib/one//datastores/…`: paths are compared without doubled and trailing slashes. */
export function normalPath(path: string): string {
  const trimmed = path.trim();
  const single = trimmed.includes('//') ? trimmed.replaceAll(/\/{2,}/g, '/') : trimmed;
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single;
}

/** Disk id of `…/<vm>/disk.<id>`; undefined for anything else, such as the VM directory. */
export function diskIdOf(path: string): number | undefined {
  const match = /(?:^|\/)disk\.(\d{1,9})$/.exec(normalPath(path));
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

export interface VmPlace {
  /** `…/datastores/<system ds>/<vm>` */
  readonly directory: string;
  readonly systemDatastoreId: number;
  readonly vmId: number;
  /** Absent when the path is the directory itself. */
  readonly diskId?: number;
}

/**
 * What `<vmdir>` or `<vmdir>/disk.<n>` says: the id of the system datastore stands only here (contract §3.5).
 * Throws BAD_ARGUMENT for a path of another form.
 */
export function vmPlace(path: string): VmPlace {
  const match = /^(\/.*?\/(\d+)\/(\d+))(?:\/disk\.(\d+))?$/.exec(normalPath(path));
  if (!match?.[1]) {
    throw new DriverError(
      'BAD_ARGUMENT',
      `“${path}” is not …/<datastore>/<vm> or …/<datastore>/<vm>/disk.<id>`,
    );
  }
  return {
    directory: match[1],
    systemDatastoreId: Number(match[2]),
    vmId: Number(match[3]),
    ...(match[4] === undefined ? {} : { diskId: Number(match[4]) }),
  };
}
