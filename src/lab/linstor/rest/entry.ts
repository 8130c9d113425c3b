import type { ObjectKind, Operation, Scope, Severity } from './codes.ts';
import { retCode } from './codes.ts';

export type Refs = Record<string, string | null>;

/** One ApiCallRc entry as it goes over the wire (linstor-behaviour §2.1). */
export interface Entry {
  ret_code: bigint;
  message: string;
  cause?: string;
  details?: string;
  correction?: string;
  error_report_ids?: string[];
  obj_refs?: Refs;
  created_at: string;
}

export interface EntryText {
  readonly cause?: string | undefined;
  readonly details?: string | undefined;
  readonly correction?: string | undefined;
}

export interface RefusalOptions extends EntryText {
  /** The real controller writes an error report for this one and names it in the answer. */
  readonly report?: boolean;
  /** Lookup outside of any handler: no operation, object, references or subject. */
  readonly plain?: boolean;
  readonly severity?: Severity;
  /** HTTP status where it does not follow from the code. */
  readonly status?: number;
  /** Overrides operation and object of the call. */
  readonly scope?: Scope;
  readonly refs?: Refs;
}

/** A request that is answered by one entry and changes nothing. */
export class Refusal extends Error {
  readonly code: number;
  readonly options: RefusalOptions;
  constructor(code: number, message: string, options: RefusalOptions = {}) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.options = options;
  }
}

/** ISO time with nine digits, as the controller prints it. */
export function createdAt(now: number): string {
  const digits = Math.floor(Math.random() * 1e6)
    .toString()
    .padStart(6, '0');
  return new Date(now).toISOString().replace('Z', `${digits}Z`);
}

/** What the call is about: sets the bits, references and the last line of the details of its entries. */
export interface CallScope {
  readonly operation: Operation;
  readonly object: ObjectKind;
  readonly refs: Refs;
  readonly subject: string;
}

export interface AddOptions extends EntryText {
  readonly severity?: Severity;
  readonly operation?: Operation;
  readonly object?: ObjectKind;
  readonly refs?: Refs;
  /** Drop the references of the call. */
  readonly bare?: boolean;
  /** Ids of error reports written for it. */
  readonly reports?: readonly string[];
  /** Append the subject of the call to the details. */
  readonly withSubject?: boolean;
}

/** The answer of a modifying call while it grows. */
export class Reply {
  readonly scope: CallScope;
  readonly entries: Entry[] = [];
  private readonly now: () => number;

  constructor(scope: CallScope, now: () => number) {
    this.scope = scope;
    this.now = now;
  }

  add(code: number, message: string, options: AddOptions = {}): void {
    const { severity = 'success', operation = this.scope.operation, object = this.scope.object } = options;
    const details = options.withSubject ? joinLines(options.details, this.scope.subject) : options.details;
    const refs = options.bare ? { ...options.refs } : { ...options.refs, ...this.scope.refs };
    this.entries.push({
      ret_code: retCode(severity, code, { operation, object }),
      message,
      ...(options.cause === undefined ? {} : { cause: options.cause }),
      ...(details === undefined ? {} : { details }),
      ...(options.correction === undefined ? {} : { correction: options.correction }),
      ...(options.reports === undefined ? {} : { error_report_ids: [...options.reports] }),
      ...(Object.keys(refs).length > 0 ? { obj_refs: refs } : {}),
      created_at: createdAt(this.now()),
    });
  }

  /** An entry without operation, object and references. */
  plain(code: number, message: string, severity: Severity = 'success', text: EntryText = {}): void {
    this.entries.push({
      ret_code: retCode(severity, code),
      message,
      ...(text.cause === undefined ? {} : { cause: text.cause }),
      ...(text.details === undefined ? {} : { details: text.details }),
      created_at: createdAt(this.now()),
    });
  }

  /** The same answer under another object or operation: nested steps of rollback, restore, make-available. */
  within(scope: Partial<CallScope>): Reply {
    const nested = new Reply({ ...this.scope, ...scope }, this.now);
    (nested as { entries: Entry[] }).entries = this.entries;
    return nested;
  }
}

export function joinLines(...lines: readonly (string | undefined)[]): string {
  return lines.filter((line) => line !== undefined).join('\n');
}

/** The entry of a refusal; `report` is the id of the error report written for it. */
export function refusalEntry(
  refusal: Refusal,
  scope: CallScope | undefined,
  now: number,
  report?: string,
): Entry {
  const { options } = refusal;
  const inScope = options.plain ? undefined : scope;
  const details = inScope ? joinLines(options.details, inScope.subject) : options.details;
  const refs = { ...options.refs, ...inScope?.refs };
  return {
    ret_code: retCode(options.severity ?? 'error', refusal.code, options.scope ?? inScope ?? {}),
    message: refusal.message,
    ...(options.cause === undefined ? {} : { cause: options.cause }),
    ...(details === undefined || details === '' ? {} : { details }),
    ...(options.correction === undefined ? {} : { correction: options.correction }),
    ...(report === undefined ? {} : { error_report_ids: [report] }),
    ...(Object.keys(refs).length > 0 ? { obj_refs: refs } : {}),
    created_at: createdAt(now),
  };
}

/** HTTP status of an error code (linstor-behaviour §0.3). */
export function statusOf(code: number): number {
  if (code >= 300 && code < 400) return 404;
  if ((code >= 400 && code < 500) || code === 10000) return 403;
  if (code === 10001) return 401;
  return 500;
}

/** 200, or what the first error among the entries says. */
export function statusOfEntries(entries: readonly Entry[], success = 200): number {
  const error = entries.find((entry) => ((BigInt.asUintN(64, entry.ret_code) >> 62n) & 3n) === 3n);
  return error ? statusOf(Number(BigInt.asUintN(64, error.ret_code) & 0x7fffn)) : success;
}
