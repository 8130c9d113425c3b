/**
 * `bun run calls FILE [--json] [--binary dist/linstor_un] [--only tm/clone]`: sends recorded driver calls of a real oned
 * (format: test/recordings/opennebula/README.md) to the compiled binary, by the names that OpenNebula uses, on a lab. A
 * call is ok when the driver succeeds where the recorded one did, with a reply that oned can read.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openCallsLab } from './calls/lab.ts';
import { readRecording } from './calls/recording.ts';
import { type CallResult, replayCall } from './calls/replay-calls.ts';
import { World } from './calls/world.ts';
import { ownBinary } from './own-binary.ts';

const { values, positionals } = parseArgs({
  args: Bun.argv.slice(2),
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    /** Default: `dist/linstor_un`, made of these sources. */
    binary: { type: 'string' },
    only: { type: 'string' },
  },
});
const [file] = positionals;
if (file === undefined || positionals.length > 1) {
  console.error('usage: bun run calls FILE [--json] [--binary FILE] [--only KIND/ACTION]');
  process.exit(2);
}

const recording = readRecording(readFileSync(file, 'utf8'));
const world = new World(recording);
const wanted = recording.calls.filter(
  (call) => values.only === undefined || `${call.kind}/${call.action}` === values.only,
);
const lab = await openCallsLab(world, values.binary === undefined ? ownBinary() : resolve(values.binary));
// Stopped half-way, the lab's files go all the same.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void lab.close().finally(() => process.exit(130)));
const results: CallResult[] = [];
try {
  for (const call of wanted) {
    const result = await replayCall(call, world, lab);
    results.push(result);
    if (!values.json) report(result);
  }
} finally {
  await lab.close();
}

const failures = results.filter((result) => result.complaint !== undefined);
const summary = { total: results.length, ok: results.length - failures.length, failed: failures.length };
if (values.json) console.log(JSON.stringify({ ...summary, foreign: recording.foreign, failures }));
else
  console.log(
    `${summary.total} calls: ${summary.ok} ok, ${summary.failed} failed; ${recording.foreign} calls of other drivers left out`,
  );
process.exit(failures.length === 0 && results.length > 0 ? 0 : 1);

function report({ seq, call, ms, complaint }: CallResult): void {
  const state = complaint === undefined ? 'ok' : `FAILED  ${complaint}`;
  console.log(`${String(seq).padStart(4)}  ${call.padEnd(28)} ${String(ms).padStart(6)} ms  ${state}`);
}
