/**
 * `bun run bench [start, actions, copy, scale] [--json] [--runs N] [--share 0…1] [--driver DIR] [--compare FILE]`: measures, and prints
 * a table, or with --json one document `{machine, rows: [{name, value, unit, ratio}]}`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './machine.ts';
import { compare, toDocument, toTable } from './report.ts';
import type { Row } from './row.ts';

interface Options {
  readonly scratch: string;
  /** As many measurements of each; absent: what suits the group. */
  readonly runs?: number;
  /** Part of the full size of what is copied. */
  readonly share: number;
  readonly driver?: string;
}

type Group = (options: Options) => Promise<Row[]>;

const groups: Readonly<Record<string, Group>> = {
  start: async (options) => (await import('./start.ts')).benchStart(options),
  actions: async (options) => (await import('./actions.ts')).benchActions(options),
  copy: async (options) => (await import('./copy.ts')).benchCopy(options),
  scale: async (options) => (await import('./scale.ts')).benchScale(options),
};

const { values, positionals } = parseArgs({
  args: Bun.argv.slice(2),
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string' },
    share: { type: 'string', default: '1' },
    driver: { type: 'string' },
    compare: { type: 'string' },
  },
});

const asked = positionals.flatMap((word) => word.split(',')).filter(Boolean);
const unknown = asked.filter((name) => !Object.hasOwn(groups, name));
const runs = values.runs === undefined ? undefined : Number(values.runs);
const share = Number(values.share);
if (
  unknown.length > 0 ||
  (runs !== undefined && !(Number.isInteger(runs) && runs > 0)) ||
  !(share > 0 && share <= 1)
) {
  console.error(
    `usage: bun run bench [${Object.keys(groups).join(', ')}] [--json] [--runs N] [--share 0…1] [--driver DIR] [--compare FILE]`,
  );
  process.exit(64);
}

const machine = describeMachine();
const scratch = mkdtempSync(join(tmpdir(), 'linstor_un-bench-'));
const rows: Row[] = [];
try {
  for (const name of asked.length > 0 ? asked : Object.keys(groups)) {
    if (!values.json) console.error(`measuring ${name} …`);
    const driver = values.driver === undefined ? {} : { driver: resolve(values.driver) };
    rows.push(
      ...((await groups[name]?.({
        scratch: mkdtempSync(join(scratch, `${name}-`)),
        share,
        ...(runs === undefined ? {} : { runs }),
        ...driver,
      })) ?? []),
    );
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const compared = values.compare === undefined ? rows : compare(rows, readFileSync(values.compare, 'utf8'));
console.log(
  values.json ? JSON.stringify(toDocument(machine, compared), null, 2) : toTable({ machine, rows: compared }),
);
