import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FaultBox } from './faults.ts';
import { type Generation, type GenerationName, generationOf } from './generation.ts';
import type { ClusterState, ErrorReport } from './model/state.ts';
import { SatelliteWork } from './satellite/work.ts';

/** Error reports that are remembered; a real controller keeps more, nobody reads them. */
const REPORTS_KEPT = 500;

/** How slow the simulated cluster is. Seconds. */
export interface Tuning {
  /** A native clone takes this long before its status is COMPLETE. */
  cloneSeconds: number;
  /** A new DRBD replica is Inconsistent for this long. */
  syncSeconds: number;
  /** A replica of a node that is evacuated stays so long after another has taken its place. */
  evacuateSeconds: number;
  /** A snapshot suspends its resource's I/O for this long. */
  snapshotSeconds: number;
}

/** The simulated cluster while it runs: state, files, faults, clock. One process owns it. */
export class Runtime {
  readonly root: string;
  readonly devices: 'file' | 'loop';
  readonly tuning: Tuning;
  readonly faults = new FaultBox();
  readonly work = new SatelliteWork();
  state: ClusterState;
  /** Milliseconds the clock of the lab is ahead. */
  private ahead = 0;
  private queue: Promise<unknown> = Promise.resolve();
  private reportNumber = 0;
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private closed = false;

  constructor(root: string, state: ClusterState, options: { devices: 'file' | 'loop'; tuning: Tuning }) {
    this.root = root;
    this.state = state;
    this.devices = options.devices;
    this.tuning = options.tuning;
    this.reportNumber = state.reports.length;
    for (const { name, hung } of state.nodes) if (hung) this.work.hang(name);
  }

  get generation(): Generation {
    return generationOf(this.state.generation);
  }

  use(generation: GenerationName): void {
    this.state.generation = generation;
  }

  now(): number {
    return Date.now() + this.ahead;
  }

  /** Lets time pass without waiting. */
  advance(milliseconds: number): void {
    this.ahead += milliseconds;
  }

  /** Writing calls run one after the other, as behind the controller's locks (linstor-behaviour §7.3). */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const before = this.queue;
    let done = (): void => undefined;
    this.queue = new Promise<void>((resolve) => {
      done = resolve;
    });
    await before;
    try {
      return await work();
    } finally {
      this.save();
      done();
    }
  }

  /** Atomically: a reader, or the next process, sees the state before or after, never a half. */
  save(): void {
    if (this.closed) return;
    const path = statePath(this.root);
    writeFileSync(`${path}.new`, JSON.stringify(this.state), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Does `work` later, unless the lab is closed by then. Never keeps a process alive. */
  later(milliseconds: number, work: () => unknown): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.closed) void work();
    }, milliseconds);
    timer.unref();
    this.timers.add(timer);
  }

  /** Nothing is written or done any more; the state on disk is the last one. */
  close(): void {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }

  /** Writes an error report and returns its id. */
  report(message: string, exception: string, node = 'Controller'): string {
    const module = node === 'Controller' ? 'CONTROLLER' : 'SATELLITE';
    const id = `${this.state.instance}-00000-${String(this.reportNumber).padStart(6, '0')}`;
    this.reportNumber += 1;
    const report: ErrorReport = { id, node, time: this.now(), module, exception, message };
    this.state.reports = [...this.state.reports.slice(1 - REPORTS_KEPT), report];
    return id;
  }
}

const statePath = (root: string): string => join(root, 'state.json');

/** The state another process left below `root`, if there is any. */
export function loadState(root: string): ClusterState | undefined {
  mkdirSync(root, { recursive: true });
  try {
    return JSON.parse(readFileSync(statePath(root), 'utf8')) as ClusterState;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}
