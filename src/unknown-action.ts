import { actions, installedNames } from './actions/registry.ts';

/** Unknown name: says which ones there are. Returns the exit code. */
export function reportUnknown(name: string): number {
  const known = actions.map((action) => `${action.kind}/${installedNames(action).join(`, ${action.kind}/`)}`);
  console.error(`linstor_un knows no action “${name}” [UNKNOWN_ACTION]. Known: ${known.join(', ')}`);
  return 2;
}
