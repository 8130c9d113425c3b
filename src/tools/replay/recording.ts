import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * Recorded exchanges with a real controller: one scene a file, JSON Lines, first line the cluster at the
 * start. Integers that a double cannot hold are strings.
 */
export interface RestExchange {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** The body was sent as this text. */
  readonly raw?: boolean;
  readonly status: number;
  readonly answer: unknown;
}

export interface CliExchange {
  readonly argv: readonly string[];
  readonly exit: number;
  readonly stdout: unknown;
  readonly stderr: string;
}

export interface Exchange {
  readonly seq: number;
  readonly note?: string;
  readonly rest?: RestExchange;
  readonly cli?: CliExchange;
}

export type JsonObject = Record<string, unknown>;

export interface Setup {
  readonly controller: { readonly version: string; readonly rest_api_version: string };
  readonly nodes: readonly JsonObject[];
  readonly storage_pools: readonly JsonObject[];
  readonly note?: string;
}

export interface Scene {
  readonly name: string;
  readonly setup: Setup;
  readonly exchanges: readonly Exchange[];
}

export function readScenes(dir: string): Scene[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .map((name) => readScene(join(dir, name)));
}

export function readScene(path: string): Scene {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as JsonObject);
  const [first, ...rest] = lines;
  if (!first?.['setup']) throw new Error(`${path}: the first line holds no setup`);
  return {
    name: basename(path, '.jsonl'),
    setup: first['setup'] as Setup,
    exchanges: rest as unknown as Exchange[],
  };
}

/** Parses an answer so that integers beyond 2^53 stay whole, as strings: the recordings' own convention. */
export function parseWhole(text: string): unknown {
  if (text === '') return '';
  try {
    return JSON.parse(text, ((_key: string, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && Number.isInteger(value)
        ? (context?.source ?? String(value))
        : value) as (key: string, value: unknown) => unknown);
  } catch {
    return text;
  }
}
