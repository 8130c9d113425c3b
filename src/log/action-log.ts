import type { Call } from '../call.ts';
import type { DriverError } from '../errors.ts';
import { JsonLog, logPath } from './json-log.ts';
import { ActionRecorder, type CallEntry, type NoteEntry } from './record.ts';

/** The structured log of one running action; loaded by every action, so it needs nothing but files. */
export interface ActionLog {
  note(level: NoteEntry['level'], text: string): void;
  call(entry: Omit<CallEntry, 'at'>): void;
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
  return {
    note: (level, text) => recorder.note(level, text),
    call: (entry) => recorder.call(entry),
    hide: (...secrets) => {
      for (const secret of secrets) hidden.add(secret);
    },
    secrets: () => [...hidden],
    end: (outcome) => {
      if (!open || path === undefined) return;
      open = false;
      const record = outcome.ok
        ? recorder.finish({ reply: outcome.reply })
        : recorder.finish({ error: outcome.error });
      new JsonLog({ path }).write(record);
    },
  };
}
