import { describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { anchorOf, headingsOf } from '../../src/tools/docs/markdown.ts';
import { readPages } from './pages.ts';

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const pages = readPages();

/** Target and anchor of each link that stays in the project. */
function localLinks(text: string): { path: string; anchor: string }[] {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor = ''] = target.split('#');
      return { path, anchor };
    });
}

describe('links between pages', () => {
  for (const [page, text] of pages) {
    test(page, () => {
      const broken = localLinks(text).filter(({ path, anchor }) => {
        const target = path === '' ? page : normalize(join(dirname(page), path));
        if (!existsSync(join(root, target))) return true;
        const headings = headingsOf(pages.get(target) ?? '').map(anchorOf);
        return anchor !== '' && !headings.includes(anchor);
      });
      expect(broken).toEqual([]);
    });
  }

  test('every page of docs/ can be reached from the README', () => {
    const reached = new Set<string>();
    const follow = (page: string): void => {
      if (reached.has(page) || !pages.has(page)) return;
      reached.add(page);
      for (const { path } of localLinks(pages.get(page) ?? '')) follow(normalize(join(dirname(page), path)));
    };
    follow('README.md');
    expect([...pages.keys()].filter((page) => !reached.has(page))).toEqual([]);
  });
});

test('anchors are made as GitHub makes them', () => {
  expect(anchorOf('LINSTOR_IN_USE')).toBe('linstor_in_use');
  expect(anchorOf('To add …')).toBe('to-add-');
  expect(anchorOf('What is different from the bash driver')).toBe('what-is-different-from-the-bash-driver');
});

test('headings in code blocks are none', () => {
  expect(headingsOf('# A\n```\n# b\n```\n## C d\n')).toEqual(['A', 'C d']);
});
