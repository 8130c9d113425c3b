import { runClient } from '../../lab/client/client.ts';
import { compare, type Difference } from './compare.ts';
import { type Excuse, excuseFor, failedByItself } from './excuses.ts';
import { placeLeftovers } from './leftovers.ts';
import { normalise } from './normalise.ts';
import { type CliExchange, type Exchange, parseWhole, type RestExchange, type Scene } from './recording.ts';
import { afterwards, openStage, prepare, type Stage } from './stage.ts';

export interface Result {
  readonly scene: string;
  readonly seq: number;
  readonly what: string;
  readonly outcome: 'equal' | 'excused' | 'different';
  readonly excuse?: string;
  readonly differences: readonly Difference[];
}

/** Replays one scene from its setup line, in order. */
export async function replayScene(scene: Scene): Promise<Result[]> {
  const stage = openStage(scene);
  placeLeftovers(stage.lab, scene);
  const results: Result[] = [];
  try {
    for (const [index, exchange] of scene.exchanges.entries()) {
      if (failedByItself(exchange)) {
        results.push({
          ...describe(scene, exchange),
          outcome: 'excused',
          excuse: 'broken-transaction',
          differences: [],
        });
        continue;
      }
      await prepare(stage.lab, exchange, scene.exchanges[index + 1]);
      const differences = await replayOne(stage, exchange);
      await afterwards(stage.lab, exchange);
      const excuse = differences.length === 0 ? undefined : excuseFor(scene, exchange, differences);
      results.push(resultOf(scene, exchange, differences, excuse));
    }
  } finally {
    stage.dispose();
  }
  return results;
}

async function replayOne(stage: Stage, exchange: Exchange): Promise<Difference[]> {
  if (exchange.rest) return replayRest(stage, exchange.rest);
  return exchange.cli ? replayClient(stage, exchange.cli) : [];
}

/** The client's face, in process; it finds the lab where it would find `localhost`. */
async function replayClient(stage: Stage, cli: CliExchange): Promise<Difference[]> {
  const { argv, exit, stdout, stderr } = cli;
  const answer = await runClient([...argv], {
    env: {},
    pollMs: 1,
    fetch: (input, init) => stage.lab.fetch(new Request(input, init)),
  });
  return [
    ...compare(exit, answer.exit, 'exit'),
    ...compare(normalise(stdout), normalise(parseWhole(answer.stdout)), 'stdout'),
    ...compare(normalise(stderr), normalise(answer.stderr), 'stderr'),
  ];
}

async function replayRest(stage: Stage, rest: RestExchange): Promise<Difference[]> {
  const hasBody = rest.body !== null && rest.body !== undefined;
  const body = rest.raw ? String(rest.body) : JSON.stringify(rest.body);
  const request = new Request(`http://lab${rest.path}`, {
    method: rest.method,
    ...(hasBody && rest.method !== 'GET' ? { body } : {}),
  });
  const response = await stage.lab.fetch(request);
  const answer = parseWhole(await response.text());
  return [
    ...compare(rest.status, response.status, 'status'),
    ...compare(normalise(rest.answer), normalise(answer), 'answer'),
  ];
}

function describe(scene: Scene, { seq, rest, cli }: Exchange): { scene: string; seq: number; what: string } {
  return {
    scene: scene.name,
    seq,
    what: rest ? `${rest.method} ${rest.path}` : `linstor ${cli?.argv.join(' ')}`,
  };
}

function resultOf(
  scene: Scene,
  exchange: Exchange,
  differences: readonly Difference[],
  excuse: Excuse | undefined,
): Result {
  const outcome = differences.length === 0 ? 'equal' : excuse ? 'excused' : 'different';
  return { ...describe(scene, exchange), outcome, differences, ...(excuse ? { excuse: excuse.id } : {}) };
}
