import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { excuses } from '../../src/tools/replay/excuses.ts';
import { readScenes } from '../../src/tools/replay/recording.ts';
import { type Result, replayScene } from '../../src/tools/replay/run.ts';

const root = join(import.meta.dir, '../..');
const recordings = join(root, 'test/recordings/linstor');
const scenes = readScenes(recordings);
const all: Result[] = [];

describe('recorded exchanges with a real controller', () => {
  test('are there', () => {
    expect(scenes.reduce((sum, scene) => sum + scene.exchanges.length, 0)).toBe(530);
  });

  test.each(scenes.map((scene) => [scene.name, scene] as const))('%s', async (_name, scene) => {
    const results = await replayScene(scene);
    all.push(...results);
    const different = results.filter((result) => result.outcome === 'different');
    expect(
      different.map(({ seq, what, differences }) => ({ seq, what, differences: differences.slice(0, 3) })),
    ).toEqual([]);
    expect(results).toHaveLength(scene.exchanges.length);
  });

  test('excuses stay few and each one is needed', () => {
    const excused = all.filter((result) => result.outcome === 'excused');
    expect(excused.length).toBeLessThanOrEqual(18);
    expect([...new Set(excused.map((result) => result.excuse))].sort()).toEqual(
      excuses.map((excuse) => excuse.id).sort(),
    );
  });

  test('nothing is left in the temporary directory', () => {
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`linstor-replay-${process.pid}-`))).toEqual(
      [],
    );
  });
});

test('every excuse has its reason in docs/known-deltas.md, and no reason is without an excuse', () => {
  const path = join(root, 'docs/known-deltas.md');
  expect(existsSync(path)).toBe(true);
  const text = readFileSync(path, 'utf8').split('## What the comparison leaves out')[0] ?? '';
  const headings = [...text.matchAll(/^### (.+)$/gm)].map(([, id]) => id);
  expect(headings.sort()).toEqual(excuses.map((excuse) => excuse.id).sort());
});

test('a difference is found: the replay can fail', async () => {
  const [scene] = scenes.filter((item) => item.name.startsWith('rest-01'));
  if (!scene) throw new Error('no scene');
  const exchanges = scene.exchanges.map((exchange) =>
    exchange.seq === 4 && exchange.rest ? { ...exchange, rest: { ...exchange.rest, status: 500 } } : exchange,
  );
  const results = await replayScene({ ...scene, exchanges });
  expect(results.filter((result) => result.outcome === 'different').map((result) => result.seq)).toEqual([4]);
});

describe('the command', () => {
  const run = (...args: string[]) =>
    Bun.spawnSync([process.execPath, 'src/tools/replay.ts', ...args], { cwd: root });

  test('--json is one document with the four numbers', () => {
    const { stdout } = run(recordings, '--json', '--scene=rest-01');
    expect(JSON.parse(stdout.toString())).toEqual({ total: 22, equal: 22, excused: 0, different: 0 });
  });

  test('a directory without recordings is no success', () => {
    expect(run(join(root, 'docs')).exitCode).toBe(1);
    expect(run().exitCode).toBe(2);
  });
});
