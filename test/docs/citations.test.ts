import { describe, expect, test } from 'bun:test';
import { Glob } from 'bun';
import { studies } from './pages.ts';

/*
 * Comments say where a fact comes from: "contract §3.4", "linstor-behaviour §5", "backup-contract B7", "users #98". Each of
 * these opens in this repository.
 */

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
type Study = keyof typeof studies;

const text = async (path: string): Promise<string> => Bun.file(`${root}${path}`).text();

/** What can be cited of a study: the numbers of its headings, of a numbered list's rows for the users' requests. */
async function places(study: Study): Promise<Set<string>> {
  const page = await text(studies[study]);
  const pattern = study === 'users' ? /^\| (\d+) \|/gm : /^#{2,3} (B?[\d.]+?)\.? /gm;
  return new Set([...page.matchAll(pattern)].map((match) => match[1] ?? ''));
}

interface Citation {
  readonly study: Study | undefined;
  readonly place: string;
  readonly near: string;
}

const sources = /\b(backup-contract|contract|linstor-behaviour|users)\b/gi;

/** Every "§ 1.2" and "#12 of users" with the study named before it; comments that wrap are read as one line. */
export function citationsIn(source: string): Citation[] {
  const flat = source.replace(/\n\s*(\*|\/\/|#)?\s*/g, ' ');
  const found: Citation[] = [];
  for (const match of flat.matchAll(/§\s?([A-Z]?[\d]+(?:\.\d+)*)|\busers #(\d+)|\bbackup-contract (B\d+)/g)) {
    const before = flat.slice(Math.max(0, match.index - 60), match.index + match[0].length);
    const named = [...before.matchAll(sources)].at(-1)?.[1]?.toLowerCase();
    found.push({
      study: named as Study | undefined,
      place: match[1] ?? match[2] ?? match[3] ?? '',
      near: before.trim(),
    });
  }
  return found;
}

const files = (
  await Promise.all(
    ['src', 'test', 'drivers'].map((folder) =>
      Array.fromAsync(new Glob(`${folder}/**/*.{ts,sh,fragment}`).scan({ cwd: root, onlyFiles: true })),
    ),
  )
)
  .flat()
  .filter((path) => path !== 'test/docs/citations.test.ts');

test('every citation in the code leads to a section that is there', async () => {
  const known = new Map<Study, Set<string>>();
  for (const study of Object.keys(studies) as Study[]) known.set(study, await places(study));
  let count = 0;
  const wrong: string[] = [];
  for (const path of files) {
    for (const { study, place, near } of citationsIn(await text(path))) {
      count += 1;
      if (study === undefined) wrong.push(`${path}: no source is named: ${near}`);
      else if (!known.get(study)?.has(place))
        wrong.push(`${path}: ${studies[study]} has no ${place}: ${near}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(250);
});

describe('the reader of citations', () => {
  test('finds the study before a section, across the lines of a comment', () => {
    expect(citationsIn('/** Twice (contract §3.4,\n * §3.5 clone). */')).toMatchObject([
      { study: 'contract', place: '3.4' },
      { study: 'contract', place: '3.5' },
    ]);
    expect(citationsIn('// users #98, linstor-behaviour §5')).toMatchObject([
      { study: 'users', place: '98' },
      { study: 'linstor-behaviour', place: '5' },
    ]);
  });

  test('a section without a study is told', () => {
    expect(citationsIn('// see §3.4')).toMatchObject([{ study: undefined, place: '3.4' }]);
  });
});
