import { DriverError } from '../errors.ts';
import { type ResourceName, resourceName } from '../linstor/names.ts';

/** A LINSTOR volume that an image is to be made of: `linstor://RESOURCE[@SNAPSHOT]` in PATH. */
export interface VolumeAddress {
  readonly resource: ResourceName;
  readonly snapshot?: string;
}

export const isVolumeAddress = (path: string): boolean => /^linstor:\/\//i.test(path.trim());

/** LINSTOR's names (linstor-behaviour §1.2). Throws IMAGE_SOURCE. */
export function parseVolumeAddress(path: string): VolumeAddress {
  const match = /^linstor:\/\/([A-Za-z_][\w-]{1,47})(?:@([A-Za-z_][\w-]{1,47}))?$/i.exec(path.trim());
  if (!match?.[1])
    throw new DriverError('IMAGE_SOURCE', `“${path.slice(0, 120)}” names no LINSTOR volume`, {
      remedy: 'write linstor://RESOURCE, or linstor://RESOURCE@SNAPSHOT',
    });
  return { resource: resourceName(match[1]), ...(match[2] === undefined ? {} : { snapshot: match[2] }) };
}

/** `one-image-*`: a star stands for any letters, digits, `_` and `-`. */
export function isListed(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.toLowerCase().split('*');
    const [first = '', ...rest] = parts;
    const text = name.toLowerCase();
    if (rest.length === 0) return text === first;
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const part of rest.slice(0, -1)) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    const last = rest.at(-1) ?? '';
    return text.length - last.length >= at && text.endsWith(last);
  });
}

/**
 * Only what the administrator has named may become an image, and only oneadmin's: a tenant who writes such a PATH gets nobody's volume.
 * `stat` knows no owner and tells a size alone, of what is named. `owner`: undefined in `stat`. Throws IMAGE_SOURCE, with the same words
 * whether the volume exists or not.
 */
export function requirePermitted(
  { resource }: VolumeAddress,
  adoptAllow: readonly string[],
  owner: number | undefined | 'not told',
): void {
  if (!isListed(resource, adoptAllow))
    throw new DriverError('IMAGE_SOURCE', `images are not made of volume ${resource} in this datastore`, {
      remedy: `an administrator may set ADOPT_ALLOW = "${resource}" in the datastore`,
    });
  if (owner !== 'not told' && owner !== 0)
    throw new DriverError('IMAGE_SOURCE', 'only oneadmin makes images of LINSTOR volumes', {
      remedy: 'let oneadmin make the image, and give it to its user: oneimage chown',
    });
}
