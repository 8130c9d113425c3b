/** Time and waiting, handed in so that a test need not wait. */
export interface Clock {
  now(): number;
  /** Rejects with INTERRUPTED when the action is stopped. */
  sleep(ms: number): Promise<void>;
}

export interface Progress {
  /** `import of image 7` */
  readonly label: string;
  /** `42 % of 4 GiB, 210 MiB/s`; undefined: it has ended. */
  readonly text: string | undefined;
  readonly percent?: number;
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
  /** Of a long transfer; seen by whoever asks what runs (`status`, `trace`). */
  progress?(state: Progress): void;
  /** Writes to the terminal of a person who called the action by hand; absent when OpenNebula did. */
  readonly terminal?: ((text: string) => void) | undefined;
}
