import { expect, test } from 'bun:test';
import { fuzz } from '../../src/tools/fuzz/run.ts';

/** The bounded part of `bun run fuzz`: cases that are always the same ones. */
test('what others have written is read or refused, whatever it is', async () => {
  const result = await fuzz({ seed: 21, cases: 400 });
  expect(result.violations).toEqual([]);
  expect(result.cases).toBeGreaterThan(3000);
  // Some are harmless, and some are refused: it reaches both.
  expect(result.refused).toBeGreaterThan(result.cases / 10);
  expect(result.refused).toBeLessThan(result.cases);
});
