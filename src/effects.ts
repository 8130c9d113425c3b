/** Time and waiting, handed in so that a test need not wait. */
export interface Clock {
  now(): number;
  /** Rejects with INTERRUPTED when the action is stopped. */
  sleep(ms: number): Promise<void>;
}

/** What happened, for OpenNebula's log and for the structured log. Never secrets. */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  /** One external call: `linstor POST /v1/…`, `ssh host link-disk`. */
  call(entry: {
    kind: 'linstor' | 'ssh' | 'one' | 'local';
    target: string;
    verb: string;
    ms: number;
    outcome: string;
  }): void;
  /** Writes to the terminal of a person who called the action by hand; absent when OpenNebula did. */
  readonly terminal?: ((text: string) => void) | undefined;
}
