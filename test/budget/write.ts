/** `bun test/budget/write.ts`: counts anew and writes the table; remarks stay. Look at the difference before committing it. */
import { writeFileSync } from 'node:fs';
import { readRoundTrips } from '../../src/tools/docs/round-trips.ts';
import { budgetFile, countCosts, nameOf } from './count.ts';

const remarks = new Map((readRoundTrips(budgetFile) ?? []).map((row) => [nameOf(row), row.comment]));
const rows = (await countCosts()).map((cost) => {
  const comment = remarks.get(nameOf(cost));
  return comment === undefined ? cost : { ...cost, comment };
});
writeFileSync(budgetFile, `${JSON.stringify(rows, null, 2)}\n`);
console.log(`${rows.length} cases written`);
