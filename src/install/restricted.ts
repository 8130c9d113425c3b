import { type Entry, singlesOf } from './oned-syntax.ts';

/** What tenants could otherwise write into images and disks, and the driver would have to believe. */
const restricted = [
  ['IMAGE_RESTRICTED_ATTR', 'SOURCE', 'a tenant could register, and then delete, any volume as an image'],
  ['VM_RESTRICTED_ATTR', 'DISK/SOURCE', 'a tenant could name another volume in a disk'],
] as const;

/** Lines of OpenNebula's own oned.conf that this one lacks. */
export const unrestricted = (entries: readonly Entry[]): { readonly line: string; readonly why: string }[] =>
  restricted
    .filter(
      ([name, value]) => !singlesOf(entries, name).some((each) => each.value.text.toUpperCase() === value),
    )
    .map(([name, value, why]) => ({ line: `${name} = "${value}"`, why }));
