import { Random } from '../soak/random.ts';
import { mutate } from './mutate.ts';
import { type Subject, subjects } from './subjects.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Of each subject. */
  readonly cases: number;
  /** Ends before that, when it is over. */
  readonly untilMs?: number;
  readonly say?: (line: string) => void;
}

export interface FuzzResult {
  readonly cases: number;
  readonly refused: number;
  /** One line each, with what it takes to see it again. */
  readonly violations: readonly string[];
}

/** One case may take seconds on a busy machine, and no more. */
const hangMs = 20_000;
const growthBytes = 512 * 1024 * 1024;

async function complaintOf(
  subject: Subject,
  data: Uint8Array,
): Promise<{ complaint?: string; refused: boolean }> {
  const started = performance.now();
  try {
    const complaint = await subject.read(data);
    if (complaint !== undefined) return { complaint, refused: false };
    const ms = performance.now() - started;
    return ms > hangMs ? { complaint: `it took ${Math.round(ms)} ms`, refused: false } : { refused: false };
  } catch (error) {
    if (
      error instanceof Error &&
      error.name === 'DriverError' &&
      !('code' in error && error.code === 'INTERNAL')
    )
      return { refused: true };
    return {
      complaint: error instanceof Error ? (error.stack ?? error.message) : String(error),
      refused: false,
    };
  }
}

/** The same seed gives the same cases. */
export async function fuzz({
  seed,
  cases,
  untilMs = Number.POSITIVE_INFINITY,
  say,
}: FuzzOptions): Promise<FuzzResult> {
  const violations: string[] = [];
  let [done, refused] = [0, 0];
  const before = process.memoryUsage.rss();
  for (const [index, subject] of subjects.entries()) {
    const random = new Random(seed * 1000 + index);
    const seeds = subject.seeds();
    for (const [at, data] of seeds.entries()) {
      const { complaint } = await complaintOf(subject, data);
      if (complaint !== undefined) violations.push(`${subject.name}, unchanged ${at}: ${complaint}`);
    }
    for (let round = 0; round < cases && Date.now() < untilMs; round += 1) {
      const data = mutate(
        random.pick(seeds) ?? new Uint8Array(),
        random,
        random.pick(seeds) ?? new Uint8Array(),
      );
      const result = await complaintOf(subject, data);
      done += 1;
      if (result.refused) refused += 1;
      if (result.complaint === undefined) continue;
      const shown = Buffer.from(data.subarray(0, 600)).toString('base64');
      violations.push(
        `${subject.name}, seed ${seed}, case ${round}: ${result.complaint}\n  ${data.length} bytes, base64: ${shown}`,
      );
      if (violations.length >= 20) return { cases: done, refused, violations };
    }
    say?.(`${subject.name}: ${violations.length} violations so far`);
  }
  Bun.gc(true);
  const grown = process.memoryUsage.rss() - before;
  if (grown > growthBytes) violations.push(`memory has grown by ${Math.round(grown / 1e6)} MB`);
  return { cases: done, refused, violations };
}
