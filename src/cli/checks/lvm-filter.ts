import { onHost } from './remedy.ts';

const rejectsDrbd = ['"r|^/dev/drbd.*|"', '"r|^/dev/block/147:|"'] as const;

const line = String.raw`^[[:space:]]*(devices\/)?global_filter[[:space:]]*=`;
/** The end of a list. A `]` within a pattern has its quotation mark behind it. */
const closed = String.raw`\][[:space:]]*(#.*)?$`;

/**
 * Replaces the present `global_filter`, on one line or on several, or adds one; LVM takes the last of two. Its other entries stay: a host
 * whose disks are rejected does not boot. Without a reject among them they accept everything, as no filter does, and can go.
 */
export function lvmFilterRemedy(host: string, present: readonly string[]): string {
  const [byName, byNumber] = rejectsDrbd;
  const kept = present.some((entry) => entry.startsWith('"r')) ? present : [];
  const list = [byName, ...(kept.length > 0 ? [byNumber] : []), ...kept].filter(
    (entry, index, all) => all.indexOf(entry) === index,
  );
  // What a shell or sed would change is left to whoever wrote it.
  if (kept.some((entry) => /['\\\n]/.test(entry)))
    return onHost(
      host,
      `# in /etc/lvm/lvm.conf, first in the list of global_filter: ${rejectsDrbd.join(', ')}`,
      'vi /etc/lvm/lvm.conf',
    );
  return onHost(
    host,
    [
      `sed -E -i.$(date +%Y%m%dT%H%M%S)`,
      `-e '/${line}.*${closed}/d'`,
      `-e '/${line}/,/${closed}/d'`,
      `-e '/^[[:space:]]*devices[[:space:]]*\\{/a global_filter = [ ${list.join(', ')} ]'`,
      '/etc/lvm/lvm.conf   # keeps a copy',
    ].join(' '),
    'lvmconfig devices/global_filter && vgs   # the new filter, and the same volume groups as before',
  );
}
