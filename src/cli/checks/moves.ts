import { parseNote } from '../../move/note.ts';
import { parseResource } from '../../volumes/names.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, orElse } from './facts.ts';

/** Moves between pools that were begun and not finished: one replica too many, maybe slowed down. */
export function checkMoves(cluster: ClusterFacts): Finding[] {
  const names = new Map(orElse(cluster.definitions, []).map(({ name }) => [name.toLowerCase(), name]));
  return Object.entries(orElse(cluster.moves, {})).flatMap(([key, text]) => {
    const [note, resource] = [parseNote(text), names.get(key)];
    if (!note || resource === undefined) return [];
    const { vmId, diskId, imageId } = parseResource(cluster.settings.namePrefix, resource) ?? {};
    const subject =
      imageId !== undefined
        ? `image ${imageId}`
        : `vm ${vmId ?? 'ID'}${diskId === undefined ? '' : ` --disk ${diskId}`}`;
    const target = note.group === undefined ? `--to-pool ${note.pools[0]}` : `--to-group ${note.group}`;
    return [
      {
        id: 'storage.moves',
        severity: 'warn' as const,
        object: resource,
        what: `its move to ${note.group ?? note.pools.join(', ')} is under way, or was broken off`,
        why: 'until it is finished it has one replica more than it needs, and may be copied at a limit',
        remedy: `linstor_un move ${subject} ${target}`,
      },
    ];
  });
}
