/**
 * `bun run fuzz [--seed N] [--minutes M | --cases K]`: what reads the texts of others – driver messages, oned's documents, replies of LINSTOR and of
 * hosts, image headers, addresses – is given changed ones. It may refuse them; it must not crash, hang, grow, or take what it
 * should not. The same seed gives the same cases.
 */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz/run.ts';

const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    minutes: { type: 'string' },
    /** Of each subject, in one round. */
    cases: { type: 'string', default: '2000' },
  },
});
const [first, cases, minutes] = [Number(values.seed), Number(values.cases), Number(values.minutes ?? 0)];
if (![first, cases].every(Number.isInteger) || !(minutes >= 0)) {
  console.error('--seed and --cases take whole numbers, --minutes a number');
  process.exit(2);
}
const untilMs = minutes > 0 ? Date.now() + minutes * 60_000 : Number.POSITIVE_INFINITY;
let [all, refused] = [0, 0];
for (let seed = first; ; seed += 1) {
  const result = await fuzz({ seed, cases, untilMs });
  all += result.cases;
  refused += result.refused;
  for (const violation of result.violations) console.log(violation);
  if (result.violations.length > 0) {
    console.log(`seed ${seed}: ${result.violations.length} violations in ${result.cases} cases`);
    process.exit(1);
  }
  if (minutes === 0 || Date.now() >= untilMs) {
    console.log(`seeds ${first} to ${seed}: ${all} cases, ${refused} refused, no violations`);
    process.exit(0);
  }
}
