import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Exchanges with a real controller; see test/recordings/linstor/README.md. */
const folder = join(import.meta.dir, '../recordings/linstor');

export interface RestExchange {
  readonly scene: string;
  readonly seq: number;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** The answer as it went over the wire. */
  readonly text: string;
}

export interface CliExchange {
  readonly seq: number;
  readonly argv: readonly string[];
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Line {
  readonly seq?: number;
  readonly rest?: {
    readonly method: string;
    readonly path: string;
    readonly status: number;
    readonly answer: unknown;
  };
  readonly cli?: {
    readonly argv: string[];
    readonly exit: number;
    readonly stdout: unknown;
    readonly stderr: string;
  };
}

/**
 * The recordings keep integers that a double cannot hold as strings: they become numbers again, in the text. Nothing
 * else in a LINSTOR document is a string of that many digits.
 */
export function wireText(answer: unknown): string {
  if (typeof answer === 'string') return answer;
  return JSON.stringify(answer).replaceAll(/"(-?\d{16,19})"/g, '$1');
}

function lines(file: string): Line[] {
  const text = readFileSync(join(folder, file), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

export function restExchanges(): RestExchange[] {
  const scenes = readdirSync(folder).filter((name) => /^(rest|drbd)-.*\.jsonl$/.test(name));
  return scenes.sort().flatMap((scene) =>
    lines(scene).flatMap(({ seq = 0, rest }) =>
      rest
        ? [
            {
              scene,
              seq,
              method: rest.method,
              path: rest.path,
              status: rest.status,
              text: wireText(rest.answer),
            },
          ]
        : [],
    ),
  );
}

export function cliExchanges(): CliExchange[] {
  return lines('cli-01-all.jsonl').flatMap(({ seq = 0, cli }) =>
    cli ? [{ seq, argv: cli.argv, exit: cli.exit, stdout: wireText(cli.stdout), stderr: cli.stderr }] : [],
  );
}

/** One recorded answer, by scene and number. */
export function recorded(scene: string, seq: number): RestExchange {
  const found = restExchanges().find((one) => one.scene === `${scene}.jsonl` && one.seq === seq);
  if (!found) throw new Error(`no exchange ${seq} in ${scene}`);
  return found;
}
