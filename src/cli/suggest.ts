import { editDistance } from '../edit-distance.ts';

/** The known word that was probably meant; undefined when none is near. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const begins = known.filter((item) => lower.length >= 3 && item.toLowerCase().startsWith(lower));
  if (begins.length === 1) return begins[0];
  const ranked = known
    .map((item) => ({ item, distance: editDistance(lower, item.toLowerCase()) }))
    .sort((left, right) => left.distance - right.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(1, Math.floor(best.item.length / 3)) ? best.item : undefined;
}
