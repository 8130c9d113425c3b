import { DriverError } from '../errors.ts';
import { codes } from './codes.ts';
import { LinstorError } from './error.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { type ApiEntry, codeOf, Outcome, severityOf } from './outcome.ts';
import { ReplyLost } from './reply-lost.ts';

/*
 * Decoded by hand and not by a schema: entries come with every writing call and with every failure, also from
 * half-broken peers, and must be readable whatever else is in them.
 */

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function references(value: Json | undefined): Record<string, string> {
  if (!isObject(value)) return {};
  const known = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(known.map(([key, item]) => [key, String(item)]));
}

function toEntry(raw: JsonObject): ApiEntry {
  const retCode = raw['ret_code'];
  const reports = raw['error_report_ids'];
  const cause = text(raw['cause']);
  const details = text(raw['details']);
  const correction = text(raw['correction']);
  return {
    retCode: typeof retCode === 'bigint' || typeof retCode === 'number' ? BigInt(retCode) : 0n,
    message: text(raw['message']) ?? '',
    ...(cause ? { cause } : {}),
    ...(details ? { details } : {}),
    ...(correction ? { correction } : {}),
    reportIds: Array.isArray(reports) ? reports.map(String) : [],
    refs: references(raw['obj_refs']),
  };
}

function isEntry(value: Json): value is JsonObject {
  return isObject(value) && 'ret_code' in value;
}

/** The ApiCallRc entries of an answer (linstor-behaviour §2.1); `undefined` when it is something else. */
export function toEntries(raw: Json): readonly ApiEntry[] | undefined {
  if (!Array.isArray(raw) || !raw.every(isEntry)) return undefined;
  return raw.map(toEntry);
}

export function hasErrors(entries: readonly ApiEntry[]): boolean {
  return entries.some((entry) => severityOf(entry.retCode) === 'error');
}

/** FAIL_UNKNOWN_ERROR on a 404 is "no such path", not "no such object": the controller is too old (linstor-behaviour §0.3). */
export function isUnknownPath(status: number, entries: readonly ApiEntry[]): boolean {
  const first = entries[0];
  return (
    (status === 404 || status === 405) &&
    first !== undefined &&
    codeOf(first.retCode) === codes.FAIL_UNKNOWN_ERROR
  );
}

/** Throws what a refusing answer means; `status` is 0 where there is no HTTP. */
export function refusal(what: string, entries: readonly ApiEntry[], status: number): DriverError {
  if (isUnknownPath(status, entries)) {
    return new DriverError('LINSTOR_UNSUPPORTED', `${what}: this LINSTOR controller does not know the call`, {
      details: [entries[0]?.message ?? ''],
      remedy: 'update the LINSTOR controller',
    });
  }
  const error = new LinstorError(what, entries, status);
  if ((status === 401 || status === 403) && error.code === 'LINSTOR_ERROR') {
    return new DriverError('LINSTOR_AUTH', error.message, { details: error.details });
  }
  return error;
}

/**
 * Outcome of a writing call. What counts are the entries, not the status: LINSTOR puts errors into 2xx replies.
 * @throws LinstorError when an entry is an error; ReplyLost when there are no entries to judge by
 */
export function toOutcome(what: string, raw: Json, status: number): Outcome {
  const entries = toEntries(raw);
  if (entries === undefined) {
    throw new ReplyLost(what, 'something else than return codes came', { code: 'LINSTOR_REPLY' });
  }
  if (hasErrors(entries)) throw refusal(what, entries, status);
  if (status >= 400)
    throw new ReplyLost(what, `HTTP ${status} without an error entry`, { code: 'LINSTOR_REPLY' });
  return new Outcome(entries);
}
