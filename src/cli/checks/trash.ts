import { bytes, humanSize } from '../../units.ts';
import { isDiskful, replicasOf } from '../../volumes/replicas.ts';
import { notesByVolume, readTrash, type TrashNote } from '../../volumes/trash.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type ClusterView, orElse } from './facts.ts';

/** A timer empties it every hour. */
const overdueMs = 24 * 3_600_000;

/** Deleted volumes that nobody removes, though their time is over; and what they hold back. */
export function checkTrash(facts: ClusterView, cluster: ClusterFacts): Finding[] {
  const noteFor = notesByVolume(readTrash(orElse(cluster.trash, {})));
  const kept = orElse(cluster.definitions, []).flatMap((definition) => noteFor(definition) ?? []);
  const overdue = kept.filter((note) => facts.now - note.until > overdueMs);
  if (overdue.length === 0) return [];
  const sum = overdue.reduce((all, note) => all + allocated(cluster, note), 0);
  const names = overdue.map(({ resource }) => resource);
  return [
    {
      id: 'storage.trash',
      severity: 'warn',
      object:
        names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', '),
      what: `${overdue.length} volumes should have gone from the trash more than a day ago`,
      why: `they occupy ${humanSize(bytes(sum))}; nothing empties the trash in time`,
      remedy: 'linstor_un trash empty --due\nsudo systemctl enable --now linstor_un-trash.timer',
    },
  ];
}

const allocated = (cluster: ClusterFacts, { resource }: TrashNote): number =>
  replicasOf(orElse(cluster.resources, []), resource)
    .filter(isDiskful)
    .flatMap(({ volumes }) => volumes)
    .reduce((sum, volume) => sum + (volume.allocatedKib ?? 0) * 1024, 0);
