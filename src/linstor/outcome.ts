import { isOneOf, type LinstorCode } from './codes.ts';

/** One ApiCallRc entry of a LINSTOR reply (linstor-behaviour §2.1). */
export interface ApiEntry {
  /** Signed 64 bit; never through a double (linstor-behaviour §0.4). */
  readonly retCode: bigint;
  readonly message: string;
  readonly cause?: string;
  readonly details?: string;
  readonly correction?: string;
  readonly reportIds: readonly string[];
  /** Values may be null in LINSTOR's answer; those are left out. */
  readonly refs: Readonly<Record<string, string>>;
}

export type Severity = 'success' | 'info' | 'warning' | 'error';

const severities = ['success', 'info', 'warning', 'error'] as const;

/** Bits 63–62. Errors contain the bits of info and warning: compare, never test single bits. */
export function severityOf(retCode: bigint): Severity {
  return severities[Number((BigInt.asUintN(64, retCode) >> 62n) & 3n)] as Severity;
}

/** Bits 14–0: what happened, without operation and object (linstor-behaviour §2.2). */
export function codeOf(retCode: bigint): number {
  return Number(BigInt.asUintN(64, retCode) & 0x7fffn);
}

/** What a successful writing call answered. */
export class Outcome {
  readonly entries: readonly ApiEntry[];
  constructor(entries: readonly ApiEntry[]) {
    this.entries = entries;
  }

  has(severity: Severity, ...names: readonly LinstorCode[]): boolean {
    return this.entries.some(
      (entry) =>
        severityOf(entry.retCode) === severity &&
        (names.length === 0 || isOneOf(codeOf(entry.retCode), names)),
    );
  }

  get warnings(): readonly ApiEntry[] {
    return this.entries.filter((entry) => severityOf(entry.retCode) === 'warning');
  }

  /**
   * True when a satellite was away (1002): LINSTOR nevertheless reports success, also for the node that
   * is away (linstor-behaviour §7.8).
   */
  get satelliteAway(): boolean {
    return this.has('warning', 'WARN_NOT_CONNECTED', 'WARN_STLT_NOT_UPDATED');
  }

  /** Which ones: `No active connection to satellite 'alpha'`. Empty where a text does not tell. */
  get nodesAway(): readonly string[] {
    const away = this.warnings.filter((entry) =>
      isOneOf(codeOf(entry.retCode), ['WARN_NOT_CONNECTED', 'WARN_STLT_NOT_UPDATED']),
    );
    const named = away.flatMap((entry) => /satellite '([^']+)'/.exec(entry.message)?.[1] ?? []);
    return named.length < away.length ? [] : [...new Set(named)];
  }
}
