import { expect, test } from 'bun:test';
import { Glob } from 'bun';

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));

test('no path is taken from an address as it stands: a blank would be %20', async () => {
  const wrong: string[] = [];
  for await (const path of new Glob('{src,test}/**/*.ts').scan({ cwd: root, onlyFiles: true })) {
    if (path === 'test/ci/paths.test.ts') continue;
    if (/import\.meta\.url\)\.pathname/.test(await Bun.file(`${root}${path}`).text())) wrong.push(path);
  }
  expect(wrong).toEqual([]);
});
