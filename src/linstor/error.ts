import type { ErrorCode } from '../error-codes.ts';
import { DriverError } from '../errors.ts';
import { type ApiEntry, codeOf, severityOf } from './outcome.ts';

/** Which of our codes stands for a LINSTOR code (linstor-behaviour §2.3, §9). */
const byCode: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [206, 'LINSTOR_NO_SPACE'],
  [980, 'LINSTOR_NO_SPACE'],
  [996, 'LINSTOR_NO_SPACE'],
  [227, 'LINSTOR_UNSUPPORTED'],
  [988, 'LINSTOR_UNSUPPORTED'],
  [989, 'LINSTOR_UNSUPPORTED'],
  [994, 'LINSTOR_UNSUPPORTED'],
  [972, 'PLACEMENT'],
  [221, 'PLACEMENT'],
  [224, 'PLACEMENT'],
  [225, 'PLACEMENT'],
  [985, 'PLACEMENT'],
  [974, 'LINSTOR_NOT_UPTODATE'],
  [979, 'LINSTOR_NOT_UPTODATE'],
  [995, 'LINSTOR_NODE_OFFLINE'],
  [975, 'LINSTOR_NODE_OFFLINE'],
  [997, 'LINSTOR_IN_USE'],
  [312, 'LINSTOR_LOCKED'],
  [982, 'LINSTOR_LOCKED'],
  [412, 'LINSTOR_AUTH'],
  [10000, 'LINSTOR_AUTH'],
  [10001, 'LINSTOR_AUTH'],
]);

function kindOf(code: number): ErrorCode {
  const known = byCode.get(code);
  if (known) return known;
  if (code >= 300 && code < 400) return 'LINSTOR_NOT_FOUND';
  if (code >= 400 && code < 500) return 'LINSTOR_AUTH';
  if (code >= 500 && code < 600) return 'LINSTOR_EXISTS';
  return 'LINSTOR_ERROR';
}

/** What to say for LINSTOR where it says nothing. */
export function noReason(code: number, status: number): string {
  const known = [code === 0 ? '' : `code ${code}`, status === 0 ? '' : `HTTP ${status}`].filter(Boolean);
  return `LINSTOR gave no reason${known.length > 0 ? ` (${known.join(', ')})` : ''}`;
}

/**
 * LINSTOR refused or failed. `entry` is the first error of the reply: the later ones wrap it
 * (linstor-behaviour §2.1).
 */
export class LinstorError extends DriverError {
  readonly entries: readonly ApiEntry[];
  readonly status: number;
  /** Low 15 bits of the first error. */
  readonly linstorCode: number;

  constructor(what: string, entries: readonly ApiEntry[], status = 0) {
    const errors = entries.filter((entry) => severityOf(entry.retCode) === 'error');
    const first = errors[0] ?? entries[0];
    const code = first ? codeOf(first.retCode) : 0;
    const details = [first?.cause, first?.details].filter((text): text is string => Boolean(text));
    const said = [first?.message, ...details, ...errors.map((entry) => entry.message)];
    const reason = said.find((text) => text?.trim()) ?? noReason(code, status);
    super(kindOf(code), `${what}: ${reason}`, {
      details,
      reports: [...new Set(errors.flatMap((entry) => entry.reportIds))],
      ...(first?.correction ? { remedy: first.correction } : {}),
    });
    this.entries = entries;
    this.status = status;
    this.linstorCode = code;
  }
}

/** `isLinstorError(e, 501, 502)`: did LINSTOR answer with one of these codes (low 15 bits)? */
export function isLinstorError(error: unknown, ...codes: readonly number[]): error is LinstorError {
  return error instanceof LinstorError && (codes.length === 0 || codes.includes(error.linstorCode));
}
