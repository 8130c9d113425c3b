import type { Difference } from './compare.ts';
import type { Exchange, Scene } from './recording.ts';

/**
 * Known differences. Each has an entry of the same name in docs/known-deltas.md with its reason; a test
 * holds the two lists equal. An excuse is as narrow as its cause.
 */
export interface Excuse {
  readonly id: string;
  applies(context: Context): boolean;
}

export interface Context {
  readonly scene: Scene;
  readonly exchange: Exchange;
  readonly differences: readonly Difference[];
}

const answerText = ({ rest, cli }: Exchange): string => JSON.stringify(rest?.answer ?? cli?.stdout ?? '');

/** Texts by which a controller says that its own transaction handling is out of step. */
const brokenTexts = /replace an active transMgr|outside of a scoping block|ApiDatabaseException/;

/**
 * The recorded controller failed inside and did nothing (or half of it). Such a call is not sent to the
 * lab, so that both go on from the same state.
 */
export const failedByItself = (exchange: Exchange): boolean =>
  !aboutReports(exchange) && brokenTexts.test(answerText(exchange));

const aboutReports = ({ rest, cli }: Exchange): boolean =>
  /error-reports/.test(rest?.path ?? cli?.argv.join(' ') ?? '');

const nameIn = ({ rest }: Exchange, field: string): string =>
  String((rest?.body as Record<string, unknown> | undefined)?.[field]);

/** What a half-done call of that kind left behind, and what is read of it later. */
function readsBrokenHalf({ scene, exchange }: Context): boolean {
  const half = scene.exchanges
    .filter(
      (other) => other.seq < exchange.seq && failedByItself(other) && other.rest?.path.endsWith('/clone'),
    )
    .map((other) => nameIn(other, 'name'));
  return half.some((name) => exchange.rest?.path.split('/').includes(name));
}

/** A definition whose spawn was refused, and which the recorded controller lists all the same. */
function keepsRefusedSpawn({ scene, exchange, differences }: Context): boolean {
  if (exchange.rest?.path !== '/v1/resource-definitions' || differences.length !== 1) return false;
  const refused = scene.exchanges
    .filter(({ rest, seq }) => seq < exchange.seq && rest?.path.endsWith('/spawn') && rest.status === 500)
    .map((other) => nameIn(other, 'resource_definition_name'));
  const names = (value: unknown) => (Array.isArray(value) ? value.map((item) => String(item).trim()) : []);
  const [difference] = differences;
  const extra = names(difference?.recorded).filter((name) => !names(difference?.replayed).includes(name));
  return extra.length > 0 && extra.every((name) => refused.includes(name));
}

/** The client's help: same beginning, another list of commands behind it. */
function onlyUsage({ path, recorded, replayed }: Difference): boolean {
  const head = (value: unknown) => String(value).split('...')[0] ?? '';
  return (
    /^std(out|err)$/.test(path) &&
    head(recorded).startsWith('usage: linstor') &&
    head(recorded) === head(replayed)
  );
}

/** Every difference matches, and there is one. */
const all = (differences: readonly Difference[], test: (difference: Difference) => boolean): boolean =>
  differences.length > 0 && differences.every(test);

export const excuses: readonly Excuse[] = [
  { id: 'broken-transaction', applies: readsBrokenHalf },
  { id: 'refused-spawn-remains', applies: keepsRefusedSpawn },
  { id: 'error-reports', applies: ({ exchange }) => aboutReports(exchange) },
  { id: 'usage-text', applies: ({ differences }) => all(differences, onlyUsage) },
  {
    id: 'next-spawn-tie',
    applies: ({ differences }) => all(differences, ({ path }) => path.includes('.next_spawn_result[')),
  },
  {
    id: 'clone-race',
    applies: ({ exchange, differences }) =>
      exchange.rest?.path.endsWith('/clone') === true &&
      all(
        differences,
        ({ path, recorded, replayed }) =>
          path.endsWith('<satellites>') && /resized|adjusted/.test(`${recorded}${replayed}`),
      ),
  },
];

export function excuseFor(
  scene: Scene,
  exchange: Exchange,
  differences: readonly Difference[],
): Excuse | undefined {
  return excuses.find((excuse) => excuse.applies({ scene, exchange, differences }));
}
