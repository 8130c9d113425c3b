import type { Linstor } from '../linstor/linstor.ts';
import { printable } from '../printable.ts';

/**
 * Whose volume it is, for people who look at LINSTOR: `linstor resource-definition list --show-props Aux/one/vm`. As of the time when it was made;
 * nothing reads these. They are set together with the volume, which costs no satellite a round; the LINSTOR client would set each by
 * itself, so over that there are none. A disk of a VM that shares blocks with its image has the image's too.
 */
export const readableMarks = {
  vm: 'Aux/one/vm',
  vmOwner: 'Aux/one/vm-owner',
  image: 'Aux/one/image',
  imageOwner: 'Aux/one/image-owner',
} as const;

const all: ReadonlySet<string> = new Set(Object.values(readableMarks));
export const isReadableMark = (key: string): boolean => all.has(key);

interface Named {
  readonly id: number;
  readonly name: string;
  readonly ownerName?: string;
}

export const readableVm = (linstor: Linstor, vm: Named): Record<string, string> =>
  named(linstor, readableMarks.vm, readableMarks.vmOwner, vm);

export const readableImage = (linstor: Linstor, image: Named): Record<string, string> =>
  named(linstor, readableMarks.image, readableMarks.imageOwner, image);

function named(
  { transport }: Linstor,
  key: string,
  ownerKey: string,
  { id, name, ownerName }: Named,
): Record<string, string> {
  if (transport !== 'rest') return {};
  const owner = short(ownerName ?? '');
  return { [key]: `${id} ${short(name)}`.trim(), ...(owner === '' ? {} : { [ownerKey]: owner }) };
}

/** Names are the tenants'. */
const short = (text: string): string => printable(text).slice(0, 100).trim();
