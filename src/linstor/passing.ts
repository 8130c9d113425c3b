import { codes } from './codes.ts';
import { toEntries } from './entries.ts';
import { type Json, parseExact } from './json.ts';
import { type ApiEntry, codeOf, severityOf } from './outcome.ts';

/**
 * Refusals that say nothing about what was asked: no text, or "unknown error". While a satellite is slow to answer, hangs or dies, the
 * controller answers what it wanted to know from it in this way (real-drbd).
 */
export function isPassingRefusal(entries: readonly ApiEntry[]): boolean {
  const first = entries.find((entry) => severityOf(entry.retCode) === 'error') ?? entries[0];
  return !first || first.message.trim() === '' || codeOf(first.retCode) === codes.FAIL_UNKNOWN_ERROR;
}

/** The same of the text of an answer; one that is no list of return codes says nothing either. */
export function isPassing(text: string): boolean {
  let raw: Json;
  try {
    raw = parseExact(text);
  } catch {
    return true;
  }
  const entries = toEntries(raw);
  return entries === undefined || isPassingRefusal(entries);
}
