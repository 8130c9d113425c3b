import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { DriverError } from '../errors.ts';
import type { ActionRecord } from './record.ts';

export const subjectSchema = z.object({
  vm: z.number().optional(),
  disk: z.number().optional(),
  image: z.number().optional(),
  datastore: z.number().optional(),
  host: z.string().optional(),
});

const schema = z.object({
  time: z.string(),
  id: z.string(),
  action: z.string(),
  argv: z.array(z.string()).default([]),
  object: subjectSchema.default({}),
  calls: z
    .array(
      z.object({
        kind: z.enum(['linstor', 'ssh', 'one', 'local']),
        target: z.string(),
        verb: z.string(),
        ms: z.number(),
        outcome: z.string(),
        at: z.number().default(0),
      }),
    )
    .default([]),
  dropped: z.number().optional(),
  notes: z
    .array(
      z.object({
        level: z.enum(['debug', 'info', 'warn', 'error']),
        text: z.string(),
        at: z.number().default(0),
      }),
    )
    .default([]),
  result: z.enum(['ok', 'failed']),
  reply: z.string().optional(),
  ms: z.number(),
  error: z
    .object({
      code: z.string(),
      message: z.string(),
      details: z.array(z.string()).default([]),
      reports: z.array(z.string()).default([]),
      remedy: z.string().optional(),
    })
    .optional(),
});

export interface LogFilter {
  readonly vm?: number;
  readonly image?: number;
  /** `clone` or `tm/clone`; variants included. */
  readonly action?: string;
  readonly failed?: boolean;
  /** Epoch milliseconds: started then or later. */
  readonly since?: number;
  /** At least that many milliseconds. */
  readonly slowerThan?: number;
  /** The newest so many. */
  readonly last?: number;
}

export interface LogContent {
  readonly records: readonly ActionRecord[];
  /** Lines that are not records: cut off by a full disk, or of another version. */
  readonly unreadable: number;
}

/** The log with its rotated files, oldest first. Throws HOST_COMMAND when there is none or it cannot be read. */
export function readLog(path: string, filter: LogFilter = {}): LogContent {
  const records: ActionRecord[] = [];
  let unreadable = 0;
  for (const file of filesOf(path)) {
    for (const line of readText(file).split('\n')) {
      if (line === '') continue;
      const record = parseRecord(line);
      if (!record) unreadable += 1;
      else if (matches(record, filter)) records.push(record);
    }
  }
  // Records are written when an action ends; a timeline is by its start.
  records.sort((left, right) => left.time.localeCompare(right.time));
  return { records: filter.last === undefined ? records : records.slice(-filter.last), unreadable };
}

function filesOf(path: string): string[] {
  const files: string[] = [];
  for (let index = 1; existsSync(`${path}.${index}`); index += 1) files.unshift(`${path}.${index}`);
  if (existsSync(path)) files.push(path);
  if (files.length > 0) return files;
  throw new DriverError('HOST_COMMAND', `there is no log ${path}`, {
    remedy: 'it is written by the first action on this front-end; LINSTOR_UN_LOG names another file',
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new DriverError(
      'HOST_COMMAND',
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        remedy: 'run the command as oneadmin or root',
        cause: error,
      },
    );
  }
}

/** Undefined for a line that is no record. */
export function parseRecord(line: string): ActionRecord | undefined {
  try {
    const { data } = schema.safeParse(JSON.parse(line));
    return data as ActionRecord | undefined;
  } catch {
    return undefined;
  }
}

export function matches(record: ActionRecord, filter: LogFilter): boolean {
  if (filter.failed && record.result !== 'failed') return false;
  if (filter.slowerThan !== undefined && record.ms < filter.slowerThan) return false;
  return matchesObject(record, filter);
}

/** What it is about, and when; not how it ended. */
export function matchesObject(
  record: Pick<ActionRecord, 'object' | 'action' | 'time'>,
  filter: LogFilter,
): boolean {
  if (filter.vm !== undefined && record.object.vm !== filter.vm) return false;
  if (filter.image !== undefined && record.object.image !== filter.image) return false;
  if (filter.since !== undefined && !(Date.parse(record.time) >= filter.since)) return false;
  if (filter.action === undefined) return true;
  const bare = record.action.replace(/\..*$/, '');
  return bare === filter.action || bare.endsWith(`/${filter.action}`);
}
