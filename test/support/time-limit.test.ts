import { expect, test } from 'bun:test';

test('a test without a limit of its own may take longer than Bun’s five seconds', async () => {
  const started = performance.now();
  await Bun.sleep(5200);
  expect(performance.now() - started).toBeGreaterThan(5000);
});
