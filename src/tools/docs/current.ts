import { readFileSync } from 'node:fs';
import { readCommands } from './commands.ts';
import { headingsOf } from './markdown.ts';
import { renderReference } from './reference.ts';
import { readRoundTrips } from './round-trips.ts';

const root = Bun.fileURLToPath(new URL('../../../', import.meta.url));

/** The reference page for the code as it is. */
export async function renderCurrentReference(): Promise<string> {
  const roundTrips = readRoundTrips(`${root}test/budget/budget.json`);
  const troubleshooting = readFileSync(`${root}docs/troubleshooting.md`, 'utf8');
  return renderReference({
    commands: await readCommands(),
    explained: new Set(headingsOf(troubleshooting)),
    ...(roundTrips ? { roundTrips } : {}),
  });
}
