import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type LogFilter, matchesObject, subjectSchema } from './read-log.ts';
import { isAlive, type RunningState, runningDirectory } from './running.ts';

const schema = z.object({
  time: z.string(),
  id: z.string(),
  action: z.string(),
  argv: z.array(z.string()).default([]),
  object: subjectSchema.default({}),
  pid: z.number(),
  startedTicks: z.string(),
  at: z.number(),
  last: z.object({ text: z.string(), at: z.number() }).optional(),
  progress: z
    .array(z.object({ label: z.string(), text: z.string(), percent: z.number().optional() }))
    .default([]),
  notes: z.array(z.string()).default([]),
});

/** An action that runs, or one whose process is gone without a record in the log. */
export interface RunningAction extends RunningState {
  readonly result: 'running' | 'lost';
}

/** Oldest first; empty where there is no directory, or none that may be read. */
export function readRunning(logPath: string, filter: LogFilter = {}): RunningAction[] {
  const directory = runningDirectory(logPath);
  return namesIn(directory)
    .flatMap((name): RunningAction[] => {
      const state = read(join(directory, name));
      if (!state || !matchesObject(state, filter)) return [];
      return [{ ...state, result: isAlive(state) ? 'running' : 'lost' }];
    })
    .sort((a, b) => a.time.localeCompare(b.time));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
}

function read(path: string): RunningState | undefined {
  try {
    return schema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data as RunningState | undefined;
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}
