import { type ErrorCode, errorCodes } from './error-codes.ts';

export interface DriverErrorOptions {
  /** What to do next, for this very case; without it the code's own remedy is shown. */
  readonly remedy?: string;
  /** Further facts, one a line: what LINSTOR said, what a host printed. No secrets. */
  readonly details?: readonly string[];
  /** LINSTOR error report ids (`linstor error-reports show ID`). */
  readonly reports?: readonly string[];
  readonly cause?: unknown;
  /** Of the driver; default 1. Another script's code where its answer is ours. */
  readonly driverExitCode?: number;
}

/**
 * A failure that a person has to read: what failed, on what, what the other side said, what to do.
 * Anything else that is thrown is a defect of ours and is reported as `INTERNAL`.
 */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly details: readonly string[];
  readonly reports: readonly string[];
  /** What the driver process exits with. */
  readonly driverExitCode: number;

  constructor(code: ErrorCode, message: string, options: DriverErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy ?? errorCodes[code].remedy;
    this.details = options.details ?? [];
    this.reports = options.reports ?? [];
    this.driverExitCode = options.driverExitCode ?? 1;
  }
}

export function isDriverError(error: unknown, ...codes: ErrorCode[]): error is DriverError {
  return error instanceof DriverError && (codes.length === 0 || codes.includes(error.code));
}

/** Every thrown thing as a DriverError; a foreign one becomes `INTERNAL` and keeps its cause. */
export function toDriverError(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new DriverError('INTERNAL', message, { cause: error });
}

/** One line for OpenNebula: `message (details) [reports] – remedy [CODE]`, no line breaks (contract §1.5). */
export function errorLine(error: DriverError): string {
  const parts = [error.message.trim()];
  if (error.details.length > 0) parts.push(`(${error.details.join('; ')})`);
  if (error.reports.length > 0) parts.push(`[error reports: ${error.reports.join(', ')}]`);
  parts.push(`– ${error.remedy} [${error.code}]`);
  return parts.join(' ').replaceAll(/\s+/g, ' ').trim();
}
