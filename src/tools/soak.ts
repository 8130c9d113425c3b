/**
 * `bun run soak [--seed N] [--steps M] [--check K] [--json]`: random operations on the lab by the compiled binary, as users make them, beside a
 * model of what every volume must hold. After each step the volumes concerned, after every K-th all of them, are compared
 * byte for byte, as are the names of all resources and snapshots; in the end everything is removed and LINSTOR must
 * be empty. The same seed gives the same operations.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ownBinary } from './own-binary.ts';
import { soak } from './soak/run.ts';

const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    steps: { type: 'string', default: '200' },
    transport: { type: 'string', default: 'rest' },
    /** Default: `dist/linstor_un`, made of these sources. */
    binary: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [seed, steps] = [Number(values.seed), Number(values.steps)];
if (!Number.isInteger(seed) || !Number.isInteger(steps) || steps < 1) {
  console.error('--seed and --steps take whole numbers');
  process.exit(2);
}
const binary = values.binary === undefined ? ownBinary() : resolve(values.binary);
if (!existsSync(binary)) {
  console.error(`${binary} is not there`);
  process.exit(2);
}
const say = values.json ? (): void => undefined : (line: string): void => console.log(line);
say(`seed ${seed}, ${steps} steps`);
const result = await soak({
  seed,
  steps,
  transport: values.transport === 'cli' ? 'cli' : 'rest',
  target: { binary },
  say,
});
if (values.json) console.log(JSON.stringify({ seed, ...result }));
else console.log(`${result.steps} steps, ${result.violations.length} violations`);
process.exit(result.violations.length === 0 ? 0 : 1);
