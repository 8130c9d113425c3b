import type { ActionKind } from '../call.ts';
import type { Log, Progress } from '../effects.ts';
import { type DriverError, toDriverError } from '../errors.ts';
import { oneArgument, oneLine } from './redact.ts';
import type { RunningState } from './running.ts';
import { type Subject, subjectOf } from './subject.ts';

/** One external call of an action. */
export interface CallEntry {
  readonly kind: 'linstor' | 'ssh' | 'one' | 'local';
  readonly target: string;
  readonly verb: string;
  readonly ms: number;
  readonly outcome: string;
  /** Milliseconds after the start of the action at which it ended. */
  readonly at: number;
}

export interface NoteEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly text: string;
  readonly at: number;
}

/** One action: one line of the log. */
export interface ActionRecord {
  /** ISO 8601, start of the action. */
  readonly time: string;
  /** Tells actions of the same moment apart. */
  readonly id: string;
  /** `tm/clone`, `tm/clone.ssh` */
  readonly action: string;
  readonly argv: readonly string[];
  readonly object: Subject;
  readonly calls: readonly CallEntry[];
  /** Calls that were made but are not listed: a monitor of a large cluster stays one line of bearable length. */
  readonly dropped?: number;
  readonly notes: readonly NoteEntry[];
  readonly result: 'ok' | 'failed';
  /** What OpenNebula was told; cut short. */
  readonly reply?: string;
  readonly ms: number;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly details: readonly string[];
    readonly reports: readonly string[];
    readonly remedy?: string;
  };
}

const mostCalls = 500;
const mostNotes = 200;
const longestText = 2000;
const notesWhileRunning = 3;
const longestReply = 200;

/** Collects what an action does. */
export class ActionRecorder implements Log {
  readonly #call: { kind: ActionKind; name: string; variant?: string; argv: readonly string[] };
  readonly #now: () => number;
  readonly #started: number;
  readonly #secrets: () => readonly string[];
  readonly #calls: CallEntry[] = [];
  readonly #notes: NoteEntry[] = [];
  readonly #progress = new Map<string, { text: string; percent?: number }>();
  #dropped = 0;

  constructor(
    call: { kind: ActionKind; name: string; variant?: string; argv: readonly string[] },
    options: { now?: () => number; secrets?: () => readonly string[] } = {},
  ) {
    this.#call = call;
    this.#now = options.now ?? Date.now;
    this.#started = this.#now();
    this.#secrets = options.secrets ?? (() => []);
  }

  note(level: NoteEntry['level'], message: string): void {
    if (this.#notes.length < mostNotes)
      this.#notes.push({ level, text: this.#clean(message), at: this.#elapsed() });
  }

  debug(message: string): void {
    this.note('debug', message);
  }

  info(message: string): void {
    this.note('info', message);
  }

  warn(message: string): void {
    this.note('warn', message);
  }

  call(entry: Omit<CallEntry, 'at'>): void {
    if (this.#calls.length >= mostCalls) {
      this.#dropped += 1;
      return;
    }
    this.#calls.push({
      kind: entry.kind,
      target: this.#clean(entry.target),
      verb: this.#clean(entry.verb),
      ms: Math.round(entry.ms),
      outcome: this.#clean(entry.outcome),
      at: this.#elapsed(),
    });
  }

  /** How far a transfer is; undefined when it has ended. */
  progress({ label, text, percent }: Progress): void {
    if (text === undefined) this.#progress.delete(label);
    else
      this.#progress.set(label, { text: this.#clean(text), ...(percent === undefined ? {} : { percent }) });
  }

  /** What can be said while it runs. */
  running(): Omit<RunningState, 'pid' | 'startedTicks'> {
    const call = this.#calls.at(-1);
    const begun = this.#begun();
    return {
      ...begun,
      at: this.#now(),
      ...(call
        ? { last: { text: `${call.kind} ${call.verb} ${call.target}`, at: this.#started + call.at } }
        : {}),
      progress: [...this.#progress].map(([label, each]) => ({ label: this.#clean(label), ...each })),
      notes: this.#notes
        .filter(({ level }) => level !== 'debug')
        .slice(-notesWhileRunning)
        .map(({ text }) => text),
    };
  }

  #begun(): Pick<ActionRecord, 'time' | 'id' | 'action' | 'argv' | 'object'> {
    const { kind, name, variant, argv } = this.#call;
    return {
      time: new Date(this.#started).toISOString(),
      id: `${process.pid}-${this.#started.toString(36)}`,
      action: `${kind}/${name}${variant === undefined ? '' : `.${variant}`}`,
      argv: argv.map((word) => oneArgument(word, this.#secrets())),
      object: subjectOf(kind, name, argv),
    };
  }

  /** The finished record; `error` is whatever was thrown. */
  finish({ error, reply }: { error?: unknown; reply?: string | undefined } = {}): ActionRecord {
    return {
      ...this.#begun(),
      calls: this.#calls,
      ...(this.#dropped > 0 ? { dropped: this.#dropped } : {}),
      notes: this.#notes,
      result: error === undefined ? 'ok' : 'failed',
      ...(reply ? { reply: this.#clean(reply).slice(0, longestReply) } : {}),
      ms: this.#elapsed(),
      ...(error === undefined ? {} : { error: this.#errorEntry(toDriverError(error)) }),
    };
  }

  #errorEntry(error: DriverError): NonNullable<ActionRecord['error']> {
    return {
      code: error.code,
      message: this.#clean(error.message),
      details: error.details.map((line) => this.#clean(line)),
      reports: error.reports.map((id) => this.#clean(id)),
      remedy: this.#clean(error.remedy),
    };
  }

  #clean(text: string): string {
    return clip(oneLine(text, this.#secrets()));
  }

  #elapsed(): number {
    return Math.round(this.#now() - this.#started);
  }
}

function clip(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text;
}
