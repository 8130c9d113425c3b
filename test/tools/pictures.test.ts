import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { recordPictures } from '../../src/tools/pictures/record.ts';
import { piecesOf, skeletonOf, terminalSvg } from '../../src/tools/pictures/terminal-svg.ts';

const folder = Bun.fileURLToPath(new URL('../../docs/pictures/', import.meta.url));

describe('a screen as a picture', () => {
  test('pieces stand in their columns, with their colours', () => {
    expect(piecesOf('a  \u001b[32mok\u001b[0m   end')).toEqual([
      { column: 0, text: 'a', name: '' },
      { column: 3, text: 'ok', name: 'g' },
      { column: 8, text: 'end', name: '' },
    ]);
  });

  test('text is no markup', () => {
    expect(terminalSvg('x', '<script> & \u001b[31m</text>\u001b[0m', 80)).not.toContain('<script>');
  });

  test('numbers and directories of a run do not count', () => {
    const of = (text: string): string[] => skeletonOf(terminalSvg('x', text, 80));
    expect(of('node1 12 ms /tmp/a-Xy/lab: fine')).toEqual(of('node1 9.1 ms /tmp/b-Zz/lab: fine'));
    expect(of('fine')).not.toEqual(of('wrong'));
  });
});

test('the recorded screens say what the program says today: bun run pictures', async () => {
  const today = await recordPictures();
  const kept = readdirSync(folder).filter((name) => name !== 'overview.svg');
  expect(kept.sort()).toEqual([...today.keys()].map((name) => `${name}.svg`).sort());
  for (const [name, svg] of today)
    expect({ name, words: skeletonOf(readFileSync(`${folder}${name}.svg`, 'utf8')) }).toEqual({
      name,
      words: skeletonOf(svg),
    });
}, 120_000);
