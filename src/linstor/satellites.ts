import { DriverError } from '../errors.ts';
import { nextPause } from '../pause.ts';
import { isLinstorError } from './error.ts';
import type { Linstor, Node } from './linstor.ts';
import { type ApiEntry, severityOf } from './outcome.ts';
import { isPassingRefusal } from './passing.ts';

/** A controller that has just started finds its satellites within some ten seconds; one that is down for good is not waited for longer. */
const returnMs = 30_000;

const isAway = (node: Node): boolean =>
  node.status !== 'ONLINE' && !node.flags.some((flag) => flag === 'EVICTED' || flag === 'DELETE');

/** Nodes whose satellite is not connected, as `node1 (OFFLINE)`. */
export async function satellitesAway(linstor: Pick<Linstor, 'nodes'>): Promise<string[]> {
  return (await linstor.nodes()).filter(isAway).map((node) => `${node.name} (${node.status})`);
}

/**
 * Until all satellites are connected, at most 30 s: a controller answers before it has found them, and then refuses what it could do,
 * or calls done what no satellite has heard of. Returns those that are still away.
 */
export async function awaitSatellites(
  linstor: Pick<Linstor, 'nodes'>,
  sleep: (ms: number) => Promise<void>,
): Promise<string[]> {
  let waited = 0;
  for (let pause = 200; ; pause = nextPause(pause)) {
    const away = await satellitesAway(linstor);
    if (away.length === 0 || waited >= returnMs) return away;
    await sleep(pause);
    waited += pause;
  }
}

/** What a controller says that has not found its satellites yet, or just loses them: Java exceptions by name among it. */
const symptoms =
  /did not appear|NullPointerException|PeerClosingConnection|PeerNotConnected|No diskful connected satellite/;

export const isWithoutSatellite = (error: unknown): boolean =>
  isLinstorError(error) && (symptoms.test(error.message) || isGivenUp(error));

/**
 * What was asked for is noted, and the satellite that it waited for was given up meanwhile: an error without a word. Asked again, it is done
 * with a warning (real-drbd).
 */
export const isGivenUp = (error: unknown): boolean =>
  isLinstorError(error) &&
  error.entries.length > 0 &&
  isPassingRefusal(error.entries) &&
  !hasText(error.entries);

const hasText = (entries: readonly ApiEntry[]): boolean =>
  entries.some((entry) => severityOf(entry.retCode) === 'error' && entry.message.trim() !== '');

/** The same failure, with what is behind it. */
export function offlineError(error: unknown, away: readonly string[]): DriverError {
  const cause = error instanceof DriverError ? error : undefined;
  return new DriverError(
    'LINSTOR_NODE_OFFLINE',
    `${cause?.message ?? String(error)}: no connection to the satellite on ${away.join(', ')}`,
    {
      details: cause?.details ?? [],
      reports: cause?.reports ?? [],
      remedy:
        'wait until `linstor node list` shows the nodes ONLINE (after a start of the controller that takes some seconds), then retry',
      cause: error,
    },
  );
}
