import { type LcmState, lcm } from './states.ts';

/**
 * What a `mv` means: one shape of arguments serves five operations, and only the VM's LCM state tells which
 * (contract §3.5). A `*_FAILURE` state is the one in which the operation is retried.
 *
 * `move`: from host to host (or to another system datastore). `store`: the VM is stopped or undeployed, the destination is
 * the front-end. `fetch`: it comes back from there. `rescue`: the source is dead and is never spoken to.
 */
export type Move = 'move' | 'store' | 'fetch' | 'rescue';

const moves: Readonly<Partial<Record<LcmState, Move>>> = {
  PROLOG_MIGRATE: 'move',
  PROLOG_MIGRATE_FAILURE: 'move',
  PROLOG_MIGRATE_POWEROFF: 'move',
  PROLOG_MIGRATE_POWEROFF_FAILURE: 'move',
  PROLOG_MIGRATE_SUSPEND: 'move',
  PROLOG_MIGRATE_SUSPEND_FAILURE: 'move',
  EPILOG_STOP: 'store',
  EPILOG_STOP_FAILURE: 'store',
  EPILOG_UNDEPLOY: 'store',
  EPILOG_UNDEPLOY_FAILURE: 'store',
  PROLOG_RESUME: 'fetch',
  PROLOG_RESUME_FAILURE: 'fetch',
  PROLOG_UNDEPLOY: 'fetch',
  PROLOG_UNDEPLOY_FAILURE: 'fetch',
  UNKNOWN: 'rescue',
  PROLOG_MIGRATE_UNKNOWN: 'rescue',
  PROLOG_MIGRATE_UNKNOWN_FAILURE: 'rescue',
};

const byNumber: ReadonlyMap<number, Move> = new Map(
  Object.entries(moves).map(([name, move]) => [lcm[name as LcmState], move]),
);

/** For a state that the table does not know, the front-end as one end tells (a single-node site has it as a host, too). */
export function moveOf(lcmState: number, sourceIsFrontend: boolean, destinationIsFrontend: boolean): Move {
  const known = byNumber.get(lcmState);
  if (known) return known;
  if (destinationIsFrontend && !sourceIsFrontend) return 'store';
  return sourceIsFrontend && !destinationIsFrontend ? 'fetch' : 'move';
}

/** States in which a saved memory image travels with the VM. */
const suspended: ReadonlySet<number> = new Set(
  (
    [
      'PROLOG_MIGRATE',
      'PROLOG_MIGRATE_FAILURE',
      'PROLOG_MIGRATE_SUSPEND',
      'PROLOG_MIGRATE_SUSPEND_FAILURE',
      'EPILOG_STOP',
      'EPILOG_STOP_FAILURE',
      'PROLOG_RESUME',
      'PROLOG_RESUME_FAILURE',
    ] as const
  ).map((name) => lcm[name]),
);

export const mayHaveCheckpoint = (lcmState: number): boolean => suspended.has(lcmState);
