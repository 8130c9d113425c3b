import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ActionKind, Call } from '../../src/actions/action.ts';

/** Calls of a real oned; format: test/recordings/opennebula/README.md. */
export interface RecordedCall {
  readonly seq: number;
  readonly cli: string;
  readonly kind: string;
  readonly driver: string;
  readonly action: string;
  readonly argv: readonly string[];
  readonly stdin?: string;
  readonly stdin_base64_of?: string;
  readonly reply_rc: number;
  readonly reply_stdout: string;
  readonly reply_stderr: string;
}

const file = join(import.meta.dir, '../recordings/opennebula/driver-calls.jsonl');

export const recordedCalls: readonly RecordedCall[] = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as RecordedCall);

export function recorded(kind: string, ...actions: readonly string[]): RecordedCall[] {
  return recordedCalls.filter((call) => call.kind === kind && actions.includes(call.action));
}

/** What the driver read from stdin when the call was made. */
export function stdinOf(call: RecordedCall): string {
  if (call.stdin_base64_of !== undefined) return Buffer.from(call.stdin_base64_of).toString('base64');
  return call.stdin ?? '';
}

export function fakeCall(kind: ActionKind, name: string, argv: readonly string[], stdin = ''): Call {
  return { kind, name, argv, stdin: async () => stdin };
}

export function asCall(call: RecordedCall): Call {
  return fakeCall(call.kind as ActionKind, call.action, call.argv, stdinOf(call));
}
