import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { DeviceIdentity, HostDevice } from '../../src/hosts/scripts/identity.ts';

/** A file, or a loop device over one, as the volume that the file is named after. */
export function device(path: string): HostDevice {
  const loop = /^\/dev\/(loop\d+)$/.exec(path)?.[1];
  const file =
    loop === undefined ? path : readFileSync(`/sys/block/${loop}/loop/backing_file`, 'utf8').trim();
  return { device: path, identity: `storage ${basename(file, '.img')}` as DeviceIdentity };
}
