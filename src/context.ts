import type { Clock, Log } from './effects.ts';
import type { Hosts } from './hosts/hosts.ts';
import type { Linstor } from './linstor/linstor.ts';
import type { One } from './opennebula/one.ts';
import type { ControllerSettings, Settings } from './opennebula/settings.ts';
import type { Undo } from './undo.ts';

/** The effects, in one hand. Nothing below `actions/` reaches the outside by another way. */
export interface Context {
  readonly one: One;
  readonly hosts: Hosts;
  readonly log: Log;
  readonly clock: Clock;
  readonly undo: Undo;
  /** Aborted on SIGTERM, SIGINT, SIGHUP, and when another front-end has taken a lock over. */
  readonly signal: AbortSignal;
  /** OpenNebula's `remotes` directory, where one was found. */
  readonly remotes?: string;
  /** OpenNebula's version from `remotes/VERSION`; absent counts as the newest. */
  readonly oneVersion?: string;
  /** The client for these settings; made once per distinct settings. */
  linstor(settings: ControllerSettings): Linstor;
  /** Settings of one or two datastores over the configuration file: later ones win (contract §3.5 clone). */
  settings(...templates: readonly Readonly<Record<string, string>>[]): Settings;
  /**
   * Looks whether LINSTOR still knows what it was told, if another controller has taken over meanwhile; asks nothing otherwise. Throws
   * LINSTOR_FORGOTTEN.
   */
  confirm?(): Promise<void>;
  /**
   * Runs `work` while holding the lock of that name (`rd-one-image-7`): on this front-end, and where the zone has several, on all of them. Those
   * meet in the LINSTORs that have been opened until then: what is locked before any of them is known concerns none of their objects.
   */
  lock<T>(name: string, work: () => Promise<T>, timeoutMs?: number): Promise<T>;
}
