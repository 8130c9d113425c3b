import type { RecordedCall } from './recording.ts';

export interface DriverOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Replies that oned reads, per datastore action (contract §2). Other actions are told by their exit code alone. */
const replies: Readonly<Record<string, RegExp>> = {
  'datastore/cp': /^\S+ raw\n$/,
  'datastore/mkfs': /^\S+\n$/,
  'datastore/clone': /^\S+( raw)?\n$/,
  'datastore/stat': /^[1-9]\d*\n$/,
  'datastore/export': /^<IMPORT_INFO>.*<\/IMPORT_INFO>\n$/,
  'datastore/monitor': /^(?:(?:USED|TOTAL|FREE)_MB=\d+\s+){3}/,
  'tm/monitor': /^(?:(?:USED|TOTAL|FREE)_MB=\d+\s+){3}/,
};

/** Codes that say: the driver did not understand the call. */
const notUnderstood = /\[(BAD_MESSAGE|BAD_ARGUMENT|UNKNOWN_ACTION|ONE_INCOMPLETE|INTERNAL|USAGE)\]/;

/** The recording holds no backup: a restore is understood, looks for it, and changes nothing. */
const withoutSource: Readonly<Record<string, RegExp>> = { 'tm/restore': /\[ONE_NOT_FOUND\]/ };

/**
 * What is wrong with an outcome; undefined when it is as recorded. A recorded failure was injected by the tracing
 * driver: any outcome will do there, so long as the call was understood.
 */
export function complaint(
  call: Pick<RecordedCall, 'kind' | 'action' | 'failed'>,
  outcome: DriverOutcome,
): string | undefined {
  const message = outcome.stderr.trim().split('\n').at(-1) ?? '';
  if (outcome.exitCode !== 0) {
    if (call.failed && !notUnderstood.test(outcome.stderr)) return undefined;
    if (withoutSource[`${call.kind}/${call.action}`]?.test(outcome.stderr)) return undefined;
    return `exit ${outcome.exitCode}: ${message || 'no message'}`;
  }
  const expected = replies[`${call.kind}/${call.action}`];
  if (expected && !expected.test(outcome.stdout))
    return `reply ${JSON.stringify(outcome.stdout)} is not of the form ${expected}`;
  if (!expected && outcome.stdout.split('\n').length > 2)
    return `reply ${JSON.stringify(outcome.stdout)} has several lines`;
  return undefined;
}
