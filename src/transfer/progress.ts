import type { Clock, Log } from '../effects.ts';
import { type Bytes, bytes, humanSize } from '../units.ts';

/** How far a transfer is. */
export interface ProgressPoint {
  /** Position in the image, holes counted. */
  readonly done: Bytes;
  /** Absent while nobody knows (a compressed stream). */
  readonly total?: Bytes;
  /** Bytes a second, since the beginning. */
  readonly rate: number;
  /** Seconds. */
  readonly remaining?: number;
}

export type ProgressListener = (point: ProgressPoint) => void;

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `42 % of 4 GiB, 210 MiB/s, 12 s left` */
export function describe({ done, total, rate, remaining }: ProgressPoint): string {
  const speed = `${humanSize(bytes(Math.round(rate)))}/s`;
  if (total === undefined || total === 0) return `${humanSize(done)}, ${speed}`;
  const percent = Math.floor((done / total) * 100);
  const left = remaining === undefined ? '' : `, ${duration(remaining)} left`;
  return `${percent} % of ${humanSize(total)}, ${speed}${left}`;
}

/** Sparse lines for a driver action: the first after some seconds, so that short ones stay silent. */
export function logProgress(
  log: Pick<Log, 'info'>,
  label: string,
  clock: Pick<Clock, 'now'>,
  everyMs = 10_000,
): ProgressListener {
  let last = clock.now();
  return (point) => {
    const now = clock.now();
    if (now - last < everyMs) return;
    last = now;
    log.info(`${label}: ${describe(point)}`);
  };
}

/** One line that is written over; for a terminal. `width`: characters of the bar. */
export function barProgress(write: (text: string) => void, label: string, width = 30): ProgressListener {
  return (point) => {
    const share = point.total ? Math.min(1, point.done / point.total) : 0;
    const filled = Math.round(share * width);
    const bar = point.total ? `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ` : '';
    write(`\r\x1b[K${label} ${bar}${describe(point)}`);
  };
}

/**
 * Tells of the progress of `work`: a person at a terminal sees a bar, and whoever asks what runs. OpenNebula shows what an action prints
 * only when it has failed, so that a line now and then is left for logs that keep nothing else.
 */
export async function withProgress<T>(
  log: Pick<Log, 'info' | 'terminal' | 'progress'>,
  label: string,
  clock: Pick<Clock, 'now'>,
  work: (listener: ProgressListener) => Promise<T>,
): Promise<T> {
  const { terminal } = log;
  let drawn = false;
  const draw = (text: string): void => {
    drawn = true;
    terminal?.(text);
  };
  const shown = terminal
    ? barProgress(draw, label)
    : log.progress
      ? () => undefined
      : logProgress(log, label, clock);
  log.progress?.({ label, text: 'begins' });
  try {
    return await work((point) => {
      shown(point);
      log.progress?.({ label, text: describe(point), ...percentOf(point) });
    });
  } finally {
    if (drawn) terminal?.('\n');
    log.progress?.({ label, text: undefined });
  }
}

const percentOf = ({ done, total }: ProgressPoint): { percent?: number } =>
  total === undefined || total === 0 ? {} : { percent: Math.floor((done / total) * 100) };

/**
 * Reads the progress out of what the programs of a transfer print: `@done/total` (wire.ts), `(12.50/100%)`
 * (qemu-img -p). Returns the listener for `runPipeline`'s `onStderr`.
 */
export function progressReader(
  listener: ProgressListener,
  clock: Pick<Clock, 'now'>,
  expected?: Bytes,
): (text: string) => void {
  const started = clock.now();
  let rest = '';
  let furthest = -1;
  return (text) => {
    const parts = (rest + text).split(/[\r\n]/);
    rest = (parts.pop() ?? '').slice(-200);
    let point: { done: number; total?: number } | undefined;
    for (const part of parts) point = parse(part, expected) ?? point;
    if (!point || point.done <= furthest) return;
    furthest = point.done;
    const seconds = Math.max(0.001, (clock.now() - started) / 1000);
    const rate = point.done / seconds;
    const total = point.total || expected;
    listener({
      done: bytes(point.done),
      rate,
      ...(total ? { total: bytes(total) } : {}),
      ...(total && rate > 0 ? { remaining: Math.max(0, (total - point.done) / rate) } : {}),
    });
  };
}

function parse(line: string, expected: Bytes | undefined): { done: number; total?: number } | undefined {
  const own = /^@(\d+)\/(\d+)$/.exec(line.trim());
  if (own) return { done: Number(own[1]), total: Number(own[2]) };
  const percent = /\((\d+(?:\.\d+)?)\/100%\)/.exec(line)?.[1];
  return percent !== undefined && expected
    ? { done: Math.floor((Number(percent) / 100) * expected), total: expected }
    : undefined;
}

/** stderr without progress: what is left is for people. */
export function withoutProgress(stderr: string): string {
  return stderr
    .split(/[\r\n]+/)
    .filter((line) => !/^\s*(@\S+|\(\d+(\.\d+)?\/100%\))\s*$/.test(line))
    .join('\n');
}
