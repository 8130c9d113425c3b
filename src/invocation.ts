import { basename, dirname } from 'node:path';
import { actions } from './actions/registry.ts';
import type { ActionKind } from './call.ts';

export interface ActionInvocation {
  readonly kind: 'action';
  readonly action: { readonly kind: ActionKind; readonly name: string; readonly variant?: string };
  readonly argv: readonly string[];
  /** Path by which it was called; empty for the subcommand form. */
  readonly calledAs: string;
}

export type Invocation =
  | ActionInvocation
  | { readonly kind: 'cli'; readonly argv: readonly string[] }
  | { readonly kind: 'unknown'; readonly name: string };

const kinds: readonly ActionKind[] = ['datastore', 'tm', 'vmm'];

/** Names by which the binary itself is called. */
const ownName = /^linstor_un(?:$|[-.])|^bun(?:\.exe)?$/;

/**
 * `<…>/datastore/linstor_un/cp`, `<…>/tm/linstor_un/clone.ssh`, `<…>/vmm/kvm/save_linstor_un`, or
 * `linstor_un tm clone …`. The kind comes from the directory, as OpenNebula's does; a vmm name is unique.
 */
export function readInvocation(argv0: string, args: readonly string[]): Invocation {
  const called = basename(argv0);
  if (!ownName.test(called)) {
    const kind = kindOfPath(argv0, called);
    const action = kind === undefined ? undefined : resolve(kind, called);
    return action
      ? { kind: 'action', action, argv: args, calledAs: argv0 }
      : { kind: 'unknown', name: argv0 };
  }
  const [first, second, ...rest] = args;
  const kind = isForPeople(args) ? undefined : kinds.find((each) => each === first);
  if (kind === undefined || second === undefined || second.startsWith('-'))
    return { kind: 'cli', argv: args };
  const action = resolve(kind, second);
  return action
    ? { kind: 'action', action, argv: rest, calledAs: '' }
    : { kind: 'unknown', name: `${kind}/${second}` };
}

/** `linstor_un datastore create`: a kind of actions is also the name of a command. */
const isForPeople = ([first, second]: readonly string[]): boolean =>
  first === 'datastore' && second === 'create';

function kindOfPath(argv0: string, called: string): ActionKind | undefined {
  const components = dirname(argv0)
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  const nearest = components.reverse().find((part) => kinds.some((kind) => kind === part));
  if (nearest) return kinds.find((kind) => kind === nearest);
  // Called by a relative name from inside the directory: only an unambiguous name will do.
  const name = splitVariant(called).name;
  const candidates = actions.filter((action) => action.name === name);
  if (candidates.length === 1) return candidates[0]?.kind;
  const here = process
    .cwd()
    .split('/')
    .reverse()
    .find((part) => kinds.some((kind) => kind === part));
  return kinds.find((kind) => kind === here);
}

function resolve(kind: ActionKind, called: string): ActionInvocation['action'] | undefined {
  const { name, variant } = splitVariant(called);
  const action = actions.find((each) => each.kind === kind && each.name === name);
  if (!action) return undefined;
  return { kind, name, ...(variant === undefined ? {} : { variant }) };
}

/** Any suffix selects the bare action: oned may leak one disk's suffix onto the next (contract §3.1). */
function splitVariant(called: string): { name: string; variant?: string } {
  const dot = called.indexOf('.');
  return dot < 0 ? { name: called } : { name: called.slice(0, dot), variant: called.slice(dot + 1) };
}
