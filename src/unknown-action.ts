import { actions, installedNames } from './actions/registry.ts';
import { writeTo } from './standard-io.ts';

/** Unknown name: says which ones there are. Returns the exit code. */
export function reportUnknown(name: string): number {
  const known = actions.map((action) => `${action.kind}/${installedNames(action).join(`, ${action.kind}/`)}`);
  writeTo(
    2,
    `linstor_un: unknown action “${name}” [UNKNOWN_ACTION]; known: ${known.join(', ')}
`,
  );
  return 2;
}
