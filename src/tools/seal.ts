import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Variables by which Bun makes a compiled program load other code, or be another program. There is no switch for them; a name with
 * "=" in it can never be set, so that is what the program asks for instead.
 */
const loading = ['BUN_OPTIONS', 'BUN_BE_BUN'] as const;

/** Throws when a name is not there: Bun has changed, and this has to be looked at again. */
export function sealProgram(path: string): void {
  const program = readFileSync(path);
  for (const name of loading) {
    let count = 0;
    for (let at = program.indexOf(name); at >= 0; at = program.indexOf(name, at + 1)) {
      program.write('=', at);
      count += 1;
    }
    if (count === 0) throw new Error(`${path} does not hold ${name}`);
  }
  writeFileSync(path, program);
}
