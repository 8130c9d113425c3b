import { DriverError } from '../errors.ts';
import { inWords } from '../network-words.ts';
import { ReplyLost } from './reply-lost.ts';

/** Why a request brought no answer. */
export interface Failure {
  /** `unsent`: it never left. `lost`, `late`: it may have been carried out. */
  readonly kind: 'unsent' | 'lost' | 'late' | 'stopped' | 'tls';
  readonly why: string;
  readonly cause: unknown;
}

const unsentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'FailedToOpenSocket',
]);
const tlsCodes =
  /^(EPROTO|ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA)/;

/** What fetch threw (ofetch wraps it). `stopped`: the action's own signal was raised. */
export function classify(error: unknown, stopped: boolean): Failure {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const name = cause instanceof Error ? cause.name : '';
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const why = code && !/^\d+$/.test(code) ? inWords(code) : name || String(cause);
  if (stopped) return { kind: 'stopped', why: 'stopped', cause };
  if (name === 'TimeoutError') return { kind: 'late', why: 'no answer in time', cause };
  if (tlsCodes.test(code)) return { kind: 'tls', why, cause };
  return { kind: unsentCodes.has(code) ? 'unsent' : 'lost', why, cause };
}

/** The error for a request that is given up. `read`: it changes nothing. */
export function failureError(verb: string, where: string, failure: Failure, read: boolean): DriverError {
  const options = { cause: failure.cause };
  switch (failure.kind) {
    case 'stopped':
      return new DriverError('INTERRUPTED', `${verb} was stopped`, options);
    case 'tls': {
      const details = failure.cause instanceof Error ? [failure.cause.message] : [];
      return new DriverError('LINSTOR_TLS', `${where}: TLS failed (${failure.why})`, { ...options, details });
    }
    case 'unsent':
      return new DriverError(
        'LINSTOR_UNREACHABLE',
        `${verb}: ${where} cannot be reached (${failure.why})`,
        options,
      );
    case 'late':
      if (!read) return new ReplyLost(verb, `${where} gave none in time`, { ...options, late: true });
      return new DriverError('LINSTOR_TIMEOUT', `${verb}: no answer from ${where} in time`, options);
    case 'lost':
      if (!read) return new ReplyLost(verb, `the connection to ${where} was lost (${failure.why})`, options);
      return new DriverError(
        'LINSTOR_UNREACHABLE',
        `${verb}: the connection to ${where} was lost (${failure.why})`,
        {
          ...options,
          remedy:
            'check the controller service; a controller that speaks only TLS needs linstor+ssl:// in LS_CONTROLLERS',
        },
      );
  }
}
