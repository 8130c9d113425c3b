import type { Runtime } from '../runtime.ts';
import type { Body } from './body.ts';
import type { CallScope, Entry, Reply } from './entry.ts';
import { encode } from './json.ts';

/** One request, as the handlers see it. */
export interface Call {
  readonly lab: Runtime;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Body;
  /** Bodies that are lists. */
  readonly list: Body[];
  readonly text: string;
  readonly path: string;
  /** Sets what the answer is about; a refusal thrown later is answered in its terms. */
  scope(scope: CallScope): Reply;
  /** The entry a refusing step would be answered with. */
  answerIn(step: () => unknown): Entry;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Body is text, not JSON. */
  readonly plain?: boolean;
}

export type Handler = (call: Call) => Promise<Answer> | Answer;

export const json = (body: unknown, status = 200): Answer => ({ status, body });
export const done = (reply: Reply, status = 200): Answer => ({ status, body: reply.entries });

/** Every value of a repeated query key; LINSTOR's list filters (linstor-behaviour §0.3). */
export function wanted(query: URLSearchParams, key: string): string[] {
  return query.getAll(key).filter((value) => value !== '');
}

/** Offset counts only together with a limit. */
export function page<T>(query: URLSearchParams, list: readonly T[]): T[] {
  const limit = Number(query.get('limit') ?? 0);
  const offset = Number(query.get('offset') ?? 0);
  return limit > 0 ? list.slice(offset, offset + limit) : [...list];
}

/** `props=KEY=VALUE` or `props=KEY`; all must match. */
export function matchesProps(query: URLSearchParams, props: Readonly<Record<string, string>>): boolean {
  return wanted(query, 'props').every((item) => {
    const at = item.indexOf('=');
    return at < 0 ? props[item] !== undefined : props[item.slice(0, at)] === item.slice(at + 1);
  });
}

export function toResponse(answer: Answer): Response {
  if (answer.plain) return new Response(String(answer.body), { status: answer.status });
  return new Response(encode(answer.body), {
    status: answer.status,
    headers: { 'Content-Type': 'application/json', 'Access-Control-Allow-Origin': '*' },
  });
}

/** Typed access to a parsed body: the schema has checked the types. */
export const text = (body: Body, key: string): string | undefined => body[key] as string | undefined;
export const flag = (body: Body, key: string): boolean | undefined => body[key] as boolean | undefined;
export const number = (body: Body, key: string): number | undefined => body[key] as number | undefined;
export const texts = (body: Body, key: string): string[] | undefined => body[key] as string[] | undefined;
export const map = (body: Body, key: string): Record<string, string> | undefined =>
  body[key] as Record<string, string> | undefined;
export const object = (body: Body, key: string): Body | undefined => body[key] as Body | undefined;
