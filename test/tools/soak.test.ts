import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Content } from '../../src/tools/soak/content.ts';
import { Random } from '../../src/tools/soak/random.ts';
import { soak } from '../../src/tools/soak/run.ts';
import { driverTarget } from '../support/lab.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(300_000);
const MiB = 1024 * 1024;

describe('soak', () => {
  test('a volume is compared to the last byte', () => {
    const dir = mkdtempSync(join(tmpdir(), 'linstor_un-soak-test-'));
    try {
      const path = join(dir, 'volume');
      const content = new Content(4);
      writeFileSync(path, Buffer.alloc(4 * MiB));
      content.write(path, 1, 7);
      content.write(path, 3, 8);
      expect(content.difference(path)).toBeUndefined();
      expect(readFileSync(path).equals(content.image())).toBe(true);
      expect(content.copy(6).difference(path)).toContain('ends after');
      // A larger device must be zero behind it.
      truncateSync(path, 4 * MiB + 4096);
      expect(content.difference(path)).toBeUndefined();
      const changed = readFileSync(path);
      for (const at of [0, MiB + 128 * 1024, 2 * MiB, 4 * MiB + 4095]) {
        const wrong = Buffer.from(changed);
        wrong[at] = (wrong[at] ?? 0) ^ 1;
        writeFileSync(path, wrong);
        expect(content.difference(path)).toContain(`differs in its MiB ${Math.floor(at / MiB)}`);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('the same seed makes the same choices', () => {
    const numbers = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 20 }, () => random.below(1000));
    };
    expect(numbers(5)).toEqual(numbers(5));
    expect(numbers(5)).not.toEqual(numbers(6));
  });

  test.each(['rest', 'cli'] as const)('some steps with the driver, over %s', async (transport) => {
    const lines: string[] = [];
    const result = await soak({
      seed: 7,
      steps: 25,
      transport,
      target: driverTarget,
      say: (line) => lines.push(line),
    });
    expect(result).toEqual({ steps: 25, violations: [] });
    expect(lines).toHaveLength(25);
  });
});
