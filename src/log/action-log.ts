import type { Call } from '../call.ts';
import type { Progress } from '../effects.ts';
import type { DriverError } from '../errors.ts';
import { JsonLog, logPath } from './json-log.ts';
import { ActionRecorder, type CallEntry, type NoteEntry } from './record.ts';
import type { RunningFile } from './running.ts';

/** The structured log of one running action; loaded by every action, so it needs nothing but files. */
/** Shorter actions leave nothing but their record. */
const quietMs = 2000;

export interface ActionLog {
  note(level: NoteEntry['level'], text: string): void;
  call(entry: Omit<CallEntry, 'at'>): void;
  progress(state: Progress): void;
  /** Values that must not be shown, wherever they turn up. */
  hide(...secrets: readonly string[]): void;
  secrets(): readonly string[];
  /** Writes the record, once. A log that cannot be written is no failure. */
  end(
    outcome:
      | { readonly ok: true; readonly reply?: string }
      | { readonly ok: false; readonly error: DriverError },
  ): void;
}

export function openActionLog(
  call: Pick<Call, 'kind' | 'name' | 'variant' | 'argv'>,
  env: Readonly<Record<string, string | undefined>>,
): ActionLog {
  const path = logPath(env);
  const hidden = new Set<string>();
  const recorder = new ActionRecorder(call, { secrets: () => [...hidden] });
  let open = true;
  let running: RunningFile | undefined;
  if (path !== undefined)
    setTimeout(async () => {
      const { RunningFile, startedTicks } = await import('./running.ts');
      if (!open) return;
      const ticks = startedTicks(process.pid) ?? '';
      running = new RunningFile(path, () => ({
        ...recorder.running(),
        pid: process.pid,
        startedTicks: ticks,
      }));
      running.start();
    }, quietMs).unref();
  return {
    note: (level, text) => recorder.note(level, text),
    call: (entry) => recorder.call(entry),
    progress: (state) => recorder.progress(state),
    hide: (...secrets) => {
      for (const secret of secrets) hidden.add(secret);
    },
    secrets: () => [...hidden],
    end: (outcome) => {
      if (!open || path === undefined) return;
      open = false;
      running?.end();
      const record = outcome.ok
        ? recorder.finish({ reply: outcome.reply })
        : recorder.finish({ error: outcome.error });
      new JsonLog({ path }).write(record);
    },
  };
}
