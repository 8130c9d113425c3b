export type ActionKind = 'datastore' | 'tm' | 'vmm';

/** One call of OpenNebula's, as it came in. */
export interface Call {
  readonly kind: ActionKind;
  readonly name: string;
  /** Text after the dot of `clone.ssh`; absent for the bare name. */
  readonly variant?: string;
  /** The arguments, without the program. */
  readonly argv: readonly string[];
  /** Read once, on demand; empty when nothing was sent. */
  stdin(): Promise<string>;
}
