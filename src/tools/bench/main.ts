/** `bun run bench`: measures, and prints a table or one JSON document. Its words are in `options.ts`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { otherCandidates } from './drivers.ts';
import { describeMachine } from './machine.ts';
import { type BenchOptions, type GroupName, readOptions, usage } from './options.ts';
import { compare, readEarlier, toDocument, toTable } from './report.ts';
import type { Row } from './row.ts';
import { oursFailed } from './side-by-side.ts';

type Group = (options: BenchOptions & { readonly scratch: string }) => Promise<Row[]>;

const groups: Readonly<Record<GroupName, Group>> = {
  start: async (options) => (await import('./start.ts')).benchStart(options),
  actions: async (options) => (await import('./actions.ts')).benchActions(options),
  copy: async (options) => (await import('./copy.ts')).benchCopy(options),
  backup: async (options) => (await import('./backup.ts')).benchBackup(options),
  scale: async (options) => (await import('./scale.ts')).benchScale(options),
};

function options(): BenchOptions {
  try {
    const read = readOptions(Bun.argv.slice(2));
    // A directory without a driver is refused before anything is measured.
    otherCandidates(read.drivers);
    return read;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exit(64);
  }
}

/** A group that cannot be measured leaves those before and after it alone. */
async function measure(name: GroupName, scratch: string): Promise<Row[]> {
  try {
    return await groups[name]({ ...asked, scratch: mkdtempSync(join(scratch, `${name}-`)) });
  } catch (error) {
    process.exitCode = 1;
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

const asked = options();
// Read before anything is measured: an hour later is too late to find out that it cannot be.
const earlier = asked.compare === undefined ? undefined : readEarlier(readFileSync(asked.compare, 'utf8'));
const machine = describeMachine();
const scratch = mkdtempSync(join(tmpdir(), 'linstor_un-bench-'));
const rows: Row[] = [];
try {
  for (const name of asked.groups) {
    if (!asked.json) console.error(`measuring ${name} …`);
    rows.push(...(await measure(name, scratch)));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const compared = earlier === undefined ? rows : compare(rows, earlier);
const document = `${JSON.stringify(toDocument(machine, compared), null, 2)}\n`;
if (asked.save !== undefined) writeFileSync(asked.save, document);
process.stdout.write(
  asked.json ? document : toTable({ machine, rows: compared, ...(earlier ? { earlier } : {}) }),
);
// What others fail at is a result, what we fail at is a defect.
if (oursFailed(rows)) process.exitCode = 1;
