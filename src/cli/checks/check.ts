/** What a check found. Every finding says what, why it matters, and the command or line that mends it. */
export type Severity = 'ok' | 'info' | 'warn' | 'fail';

export interface Finding {
  /** Stable: `registration.lists`. Scripts may filter by it. */
  readonly id: string;
  readonly severity: Severity;
  /** The object: a host, a datastore, a pool. */
  readonly object?: string;
  readonly what: string;
  readonly why?: string;
  /** The exact command or line; several lines are several commands. */
  readonly remedy?: string;
}

export const severities: readonly Severity[] = ['ok', 'info', 'warn', 'fail'];

/** 0 all well (hints do not count), 1 warnings, 2 something fails. */
export function exitCodeOf(findings: readonly Pick<Finding, 'severity'>[]): number {
  if (findings.some((item) => item.severity === 'fail')) return 2;
  return findings.some((item) => item.severity === 'warn') ? 1 : 0;
}
