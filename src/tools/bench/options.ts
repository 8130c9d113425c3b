import { parseArgs } from 'node:util';
import type { Latency } from './lab.ts';

export const groupNames = ['start', 'actions', 'copy', 'backup', 'scale'] as const;
export type GroupName = (typeof groupNames)[number];

export interface BenchOptions {
  readonly groups: readonly GroupName[];
  readonly json: boolean;
  /** As many measurements of each; absent: what suits the group. */
  readonly runs?: number;
  /** Part of the full size of what is copied. */
  readonly share: number;
  /** Other drivers: `DIR`, or `DIR:NAME`. */
  readonly drivers: readonly string[];
  readonly latency?: Latency;
  /** How many clones begin at once. */
  readonly clones?: readonly number[];
  /** A document of `--json` or `--save` that the rows are put beside. */
  readonly compare?: string;
  /** The document is kept there. */
  readonly save?: string;
}

export const usage = `usage: bun run bench [${groupNames.join(', ')}] [options]
  --json              one document {machine, rows: [{name, value, unit, ratio}]} instead of the table
  --driver DIR        also measure the driver in DIR: OpenNebula's remotes, or a self-contained OpenNebula (ONE_LOCATION);
                      DIR:NAME where it has several. May be repeated
  --runs N            measurements of each
  --latency L,S       milliseconds that every LINSTOR call and every ssh session waits (actions; 50,200)
  --clones N,…        how many clones begin at once (actions; 1,10,100)
  --share 0…1         part of the full size of what is copied (copy, backup)
  --save FILE         keep the document
  --compare FILE      put a document of another day beside the rows
`;

/** Words of the command line; throws, with what is wrong in one line. */
export function readOptions(argv: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      runs: { type: 'string' },
      share: { type: 'string', default: '1' },
      driver: { type: 'string', multiple: true, default: [] },
      latency: { type: 'string' },
      clones: { type: 'string' },
      compare: { type: 'string' },
      save: { type: 'string' },
    },
  });
  const asked = positionals.flatMap((word) => word.split(',')).filter(Boolean);
  const share = Number(values.share);
  if (!(share > 0 && share <= 1)) throw new Error(`--share ${values.share} is not between 0 and 1`);
  const [linstorMs, sshMs] = values.latency === undefined ? [] : numbers('--latency', values.latency, 0, 2);
  return {
    groups: asked.length > 0 ? asked.map(groupOf) : groupNames,
    json: values.json,
    share,
    drivers: values.driver,
    ...(values.runs === undefined ? {} : { runs: numbers('--runs', values.runs, 1, 1)[0] ?? 1 }),
    ...(linstorMs === undefined || sshMs === undefined ? {} : { latency: { linstorMs, sshMs } }),
    ...(values.clones === undefined ? {} : { clones: numbers('--clones', values.clones, 1) }),
    ...(values.compare === undefined ? {} : { compare: values.compare }),
    ...(values.save === undefined ? {} : { save: values.save }),
  };
}

function groupOf(name: string): GroupName {
  const found = groupNames.find((each) => each === name);
  if (found) return found;
  throw new Error(`there is no benchmark called ${name}`);
}

function numbers(option: string, text: string, least: number, count?: number): number[] {
  const list = text.split(',').map((word) => (/^\d+$/.test(word.trim()) ? Number(word) : Number.NaN));
  if (list.some((value) => !(value >= least)) || (count !== undefined && list.length !== count))
    throw new Error(`${option} ${text}: ${count ?? 'some'} whole numbers from ${least} are needed`);
  return list;
}
