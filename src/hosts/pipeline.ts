import { basename } from 'node:path';
import { DriverError } from '../errors.ts';
import { hear, hearFunction, isGreeted } from './greeting.ts';
import { isUnready, pausesMs } from './never-made.ts';
import { type ProcessResult, runProcess } from './process.ts';
import pipelineText from './shell/pipeline.sh' with { type: 'text' };
import { lastLines } from './ssh.ts';

/** Processes joined by pipes of the kernel: bytes of images never pass through this program. */

export interface Stage {
  /** For messages: `curl`, `gzip`, `dd on host1`. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Exit codes that are no failure; default `[0]`. */
  readonly okCodes?: readonly number[];
  /** Exit codes that usually follow from another stage's failure (a lost pipe, a stream without its end). */
  readonly secondaryCodes?: readonly number[];
}

export interface PipelineOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Inherited by every stage as 3, 4, … */
  readonly descriptors?: readonly number[];
  readonly onStderr?: (text: string) => void;
  /**
   * The first stage's stdin stays open, without data, until this program ends: what runs on another host can see
   * by it that nobody waits any more. Otherwise it is empty.
   */
  readonly holdStdin?: boolean;
  /** The first stage reads what the last one writes: two that talk to each other. There is no stdout then. */
  readonly loop?: boolean;
  /** Between two tries to connect; for tests. */
  readonly sleep?: (ms: number) => Promise<void>;
  /** Bytes of the last stage's stdout that are kept. */
  readonly outputLimit?: number;
}

export interface PipelineResult {
  /** Of the last stage. */
  readonly stdout: string;
  /** Of all stages, mixed. */
  readonly stderr: string;
  /** One exit code a stage, in order. */
  readonly codes: readonly number[];
  readonly ms: number;
}

/**
 * Constant text. Arguments: a mark, what the first stage reads (`empty`, `hold`, `loop`), then per stage whether it greets (greeting.ts), the number of its words, and its words. Every stage's exit code
 * is reported behind the mark: the code of a pipe as a whole tells of one stage only, and a lost code is how a
 * failed conversion was once registered as a good image.
 *
 * stdin is a line to this program that never carries data. When this program ends in whatever way (kill -9
 * included) it closes, and the whole group is ended: nothing must go on writing to a device whose action
 * is over and whose lock is free.
 */
const runner = `${hearFunction}\n${pipelineText}`;

function parseCodes(stderr: string, mark: string, count: number): number[] {
  const codes = new Array<number>(count).fill(-1);
  for (const match of stderr.matchAll(new RegExp(`${mark} (\\d+) (\\d+)`, 'g'))) {
    codes[Number(match[1])] = Number(match[2]);
  }
  return codes;
}

const sigpipe = 128 + 13;

/** Which stage to blame: the first whose failure is its own and does not follow from another's. */
function culprit(stages: readonly Stage[], codes: readonly number[]): number {
  const failed = (code: number, stage: Stage): boolean => !(stage.okCodes ?? [0]).includes(code);
  const find = (test: (code: number, stage: Stage) => boolean): number =>
    stages.findIndex((stage, index) => {
      const code = codes[index] ?? -1;
      return failed(code, stage) && test(code, stage);
    });
  const own = find((code, stage) => code !== sigpipe && !stage.secondaryCodes?.includes(code));
  if (own >= 0) return own;
  const other = find((code) => code !== sigpipe);
  return other >= 0 ? other : find(() => true);
}

export class PipelineError extends DriverError {
  /** Of the stage that is to blame. */
  readonly stage: string;
  readonly exitCode: number;
  readonly codes: readonly number[];
  readonly stdout: string;
  readonly stderr: string;

  constructor(stages: readonly Stage[], index: number, result: PipelineResult) {
    const name = stages[index]?.name ?? 'pipeline';
    const exitCode = result.codes[index] ?? -1;
    const lines = lastLines(result.stderr, 3);
    super(
      'HOST_COMMAND',
      `${name} failed with exit code ${exitCode}${lines.length > 0 ? `: ${lines.join(' | ')}` : ''}`,
      stages.length > 1
        ? {
            details: [
              `exit codes: ${stages.map((stage, at) => `${stage.name} ${result.codes[at]}`).join(', ')}`,
            ],
          }
        : {},
    );
    this.stage = name;
    this.exitCode = exitCode;
    this.codes = result.codes;
    this.stdout = result.stdout;
    this.stderr = result.stderr;
  }
}

function checkEnded(stages: readonly Stage[], result: ProcessResult, timeoutMs: number): void {
  const names = stages.map((stage) => stage.name).join(' | ');
  if (result.ended === 'abort') throw new DriverError('INTERRUPTED', `${names} was stopped`);
  if (result.ended === 'timeout') {
    throw new DriverError('HOST_TIMEOUT', `${names} took longer than ${timeoutMs / 1000} s and was ended`);
  }
}

/**
 * Runs the stages joined by pipes and waits for all of them. Every exit code counts: throws PipelineError
 * (HOST_COMMAND) when any stage failed or left no code, HOST_TIMEOUT, INTERRUPTED. Where the one connection to a host was never made,
 * nothing has begun there, and all of it is started again.
 */
export async function runPipeline(
  stages: readonly Stage[],
  options: PipelineOptions,
): Promise<PipelineResult> {
  for (const pause of pausesMs) {
    try {
      return await runOnce(stages, options);
    } catch (error) {
      if (!mayStartAgain(error, stages, options)) throw error;
      await (options.sleep ?? Bun.sleep)(pause);
      if (options.signal?.aborted) throw error;
    }
  }
  return runOnce(stages, options);
}

/** What was handed over open has been read from: its place is lost. Of two hosts the other one may have begun. */
function mayStartAgain(error: unknown, stages: readonly Stage[], options: PipelineOptions): boolean {
  if (!(error instanceof PipelineError) || options.descriptors?.length) return false;
  const remote = stages.filter(({ argv }) => argv[0] !== undefined && basename(argv[0]) === 'ssh');
  return (
    remote.length === 1 &&
    remote[0]?.name === error.stage &&
    isUnready(error.exitCode, error.stdout, error.stderr)
  );
}

async function runOnce(stages: readonly Stage[], options: PipelineOptions): Promise<PipelineResult> {
  const mark = `stage-${crypto.randomUUID()}`;
  const input = options.loop ? 'loop' : options.holdStdin ? 'hold' : 'empty';
  const words = stages.flatMap(({ argv }) => [isGreeted(argv) ? '1' : '0', String(argv.length), ...argv]);
  const { timeoutMs, signal, env, descriptors, onStderr, outputLimit } = options;
  const ended = await runProcess(
    ['bash', '--noprofile', '--norc', '-c', runner, 'linstor_un', mark, input, ...words],
    {
      timeoutMs,
      lifeline: true,
      ...(signal ? { signal } : {}),
      ...(env ? { env } : {}),
      ...(descriptors ? { descriptors } : {}),
      ...(onStderr ? { onStderr } : {}),
      ...(outputLimit ? { limit: outputLimit } : {}),
    },
  );
  checkEnded(stages, ended, timeoutMs);
  const codes = parseCodes(ended.stderr, mark, stages.length);
  const stderr = ended.stderr.replaceAll(new RegExp(`${mark} \\d+ \\d+\\n?`, 'g'), '');
  const last = stages.at(-1);
  const stdout = last && isGreeted(last.argv) ? (hear(ended.stdout).answer ?? '') : ended.stdout;
  const result: PipelineResult = { stdout, stderr, codes, ms: ended.ms };
  const blamed = culprit(stages, codes);
  if (blamed >= 0) throw new PipelineError(stages, blamed, result);
  return result;
}
