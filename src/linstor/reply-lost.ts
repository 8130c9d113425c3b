import { DriverError } from '../errors.ts';

/**
 * A write was sent and its answer never came, or could not be read: it may or may not have been carried out. It was
 * not repeated. Whoever asked has to read the state again and decide (linstor-behaviour §7.1).
 */
export class ReplyLost extends DriverError {
  /** e.g. `POST /v1/resource-definitions`. */
  readonly call: string;
  /** The answer did not come in time: the controller may still be at work on it. */
  readonly late: boolean;

  constructor(
    call: string,
    why: string,
    options: {
      readonly code?: 'LINSTOR_TIMEOUT' | 'LINSTOR_REPLY';
      readonly cause?: unknown;
      readonly late?: boolean;
    } = {},
  ) {
    super(
      options.code ?? 'LINSTOR_TIMEOUT',
      `no usable answer to ${call}: ${why}; whether it was carried out is unknown`,
      {
        cause: options.cause,
      },
    );
    this.call = call;
    this.late = options.late ?? false;
  }
}

export function isReplyLost(error: unknown): error is ReplyLost {
  return error instanceof ReplyLost;
}
