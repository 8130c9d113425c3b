import { resolve } from 'node:path';
import { readScenes } from './replay/recording.ts';
import { type Result, replayScene } from './replay/run.ts';

/**
 * `bun run replay DIR [--json] [--verbose]`: replays recorded exchanges at the lab. Exits 0 only when every
 * exchange is answered as recorded or its difference is a known one (docs/known-deltas.md).
 */
async function main(argv: readonly string[]): Promise<number> {
  const dir = argv.find((argument) => !argument.startsWith('--'));
  if (dir === undefined) {
    console.error('usage: bun run replay DIR [--json] [--verbose] [--scene=NAME]');
    return 2;
  }
  const only = argv.find((argument) => argument.startsWith('--scene='))?.slice('--scene='.length);
  const scenes = readScenes(resolve(dir)).filter((scene) => only === undefined || scene.name.includes(only));
  const results: Result[] = [];
  for (const scene of scenes) results.push(...(await replayScene(scene)));
  const count = (outcome: Result['outcome']) => results.filter((result) => result.outcome === outcome).length;
  const summary = {
    total: results.length,
    equal: count('equal'),
    excused: count('excused'),
    different: count('different'),
  };
  if (argv.includes('--json')) console.log(JSON.stringify(summary));
  else print(results, summary, argv.includes('--verbose'));
  return summary.different === 0 && summary.total > 0 ? 0 : 1;
}

function print(results: readonly Result[], summary: Record<string, number>, verbose: boolean): void {
  for (const result of results) {
    if (result.outcome === 'equal' || (result.outcome === 'excused' && !verbose)) continue;
    const excuse = result.excuse ? ` (${result.excuse})` : '';
    console.log(`${result.outcome}${excuse}: ${result.scene} #${result.seq} ${result.what}`);
    for (const { path, recorded, replayed } of result.differences.slice(0, 12)) {
      console.log(
        `    ${path}\n      recorded ${JSON.stringify(recorded)}\n      replayed ${JSON.stringify(replayed)}`,
      );
    }
  }
  const names = [...new Set(results.map((result) => result.scene))];
  for (const name of names) {
    const own = results.filter((result) => result.scene === name);
    const of = (outcome: string) => own.filter((result) => result.outcome === outcome).length;
    console.log(
      `${name}: ${own.length} exchanges, ${of('equal')} equal, ${of('excused')} excused, ${of('different')} different`,
    );
  }
  console.log(
    `total ${summary['total']}, equal ${summary['equal']}, excused ${summary['excused']}, different ${summary['different']}`,
  );
}

process.exitCode = await main(process.argv.slice(2));
