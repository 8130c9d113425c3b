import type { ErrorCode } from '../error-codes.ts';
import { DriverError } from '../errors.ts';
import { codeName, codes, isOneOf, type LinstorCode } from './codes.ts';
import { type ApiEntry, codeOf, severityOf } from './outcome.ts';

/** Which of our codes stands for a LINSTOR code (linstor-behaviour §2.3, §9). */
const byCode: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [codes.FAIL_INVLD_VLM_SIZE, 'LINSTOR_NO_SPACE'],
  [codes.FAIL_NOT_ENOUGH_FREE_SPACE, 'LINSTOR_NO_SPACE'],
  [codes.FAIL_NOT_ENOUGH_NODES, 'LINSTOR_NO_SPACE'],
  [codes.FAIL_INVLD_PROVIDER, 'LINSTOR_UNSUPPORTED'],
  [codes.FAIL_STLT_DOES_NOT_SUPPORT_LAYER, 'LINSTOR_UNSUPPORTED'],
  [codes.FAIL_STLT_DOES_NOT_SUPPORT_PROVIDER, 'LINSTOR_UNSUPPORTED'],
  [codes.FAIL_SNAPSHOTS_NOT_SUPPORTED, 'LINSTOR_UNSUPPORTED'],
  [codes.FAIL_SP_MIXING_NOT_ALLOWED, 'PLACEMENT'],
  [codes.FAIL_INVLD_STOR_DRIVER, 'PLACEMENT'],
  [codes.FAIL_INVLD_LAYER_KIND, 'PLACEMENT'],
  [codes.FAIL_INVLD_LAYER_STACK, 'PLACEMENT'],
  [codes.FAIL_UNDECIDABLE_AUTOPLACMENT, 'PLACEMENT'],
  [codes.FAIL_NOT_ALL_UPTODATE, 'LINSTOR_NOT_UPTODATE'],
  [codes.FAIL_SNAPSHOT_NOT_UPTODATE, 'LINSTOR_NOT_UPTODATE'],
  [codes.FAIL_NOT_CONNECTED, 'LINSTOR_NODE_OFFLINE'],
  [codes.FAIL_EVACUATING, 'LINSTOR_NODE_OFFLINE'],
  [codes.FAIL_IN_USE, 'LINSTOR_IN_USE'],
  [codes.FAIL_NOT_FOUND_CRYPT_KEY, 'LINSTOR_LOCKED'],
  [codes.FAIL_CRYPT_INIT, 'LINSTOR_LOCKED'],
  [codes.FAIL_ACC_DENIED_COMMAND, 'LINSTOR_AUTH'],
  [codes.FAIL_SIGN_IN, 'LINSTOR_AUTH'],
  [codes.FAIL_SIGN_IN_MISSING_CREDENTIALS, 'LINSTOR_AUTH'],
]);

/** What is being done: bits 25–24 of a code that a handler gave, else the call's own words. */
function operationOf(what: string, retCode: bigint): 'create' | 'modify' | 'delete' | undefined {
  const noted = (['create', 'modify', 'delete'] as const)[Number((retCode >> 24n) & 3n) - 1];
  if (noted) return noted;
  return /^DELETE |^linstor \S+ (\S+ )?delete /.test(what) ? 'delete' : undefined;
}

function kindOf(code: number, operation: ReturnType<typeof operationOf>): ErrorCode {
  const known = byCode.get(code);
  if (known) return known;
  // Only what is to be made can be there already; of what is changed or deleted, something hangs from it.
  if (code >= 500 && code < 600 && (operation === 'delete' || operation === 'modify')) return 'LINSTOR_ERROR';
  if (code >= 300 && code < 400) return 'LINSTOR_NOT_FOUND';
  if (code >= 400 && code < 500) return 'LINSTOR_AUTH';
  if (code >= 500 && code < 600) return 'LINSTOR_EXISTS';
  return 'LINSTOR_ERROR';
}

/** What to say for LINSTOR where it says nothing. */
export function noReason(code: number, status: number): string {
  const known = [code === 0 ? '' : codeName(code), status === 0 ? '' : `HTTP ${status}`].filter(Boolean);
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
    super(kindOf(code, operationOf(what, first?.retCode ?? 0n)), `${what}: ${reason}`, {
      details,
      reports: [...new Set(errors.flatMap((entry) => entry.reportIds))],
      ...(first?.correction ? { remedy: first.correction } : {}),
    });
    this.entries = entries;
    this.status = status;
    this.linstorCode = code;
  }
}

/** `isLinstorError(e, 'FAIL_EXISTS_RSC_DFN', 'FAIL_EXISTS_RSC')`: did LINSTOR answer with one of these codes (low 15 bits)? */
export function isLinstorError(error: unknown, ...names: readonly LinstorCode[]): error is LinstorError {
  return error instanceof LinstorError && (names.length === 0 || isOneOf(error.linstorCode, names));
}
