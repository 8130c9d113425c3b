import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { errorCodes } from '../../src/error-codes.ts';
import { attributeNames, namesOf } from '../../src/opennebula/attributes.ts';
import { readCommands } from '../../src/tools/docs/commands.ts';
import { headingsOf } from '../../src/tools/docs/markdown.ts';
import { handWritten, readPages } from './pages.ts';

/** What the pages say about the program is held to the program. */

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const pages = readPages();
const written = handWritten(pages);

describe('troubleshooting', () => {
  const headings = headingsOf(pages.get('docs/troubleshooting.md') ?? '');
  const codeLike = headings.filter((heading) => /^[A-Z_]+$/.test(heading));

  test('explains codes that exist, each once', () => {
    expect(codeLike.filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([]);
    expect(codeLike.length).toBe(new Set(codeLike).size);
  });

  test('explains every code', () => {
    const missing = Object.keys(errorCodes).filter((code) => !codeLike.includes(code));
    expect(missing).toEqual([]);
  });
});

test('codes in brackets are codes of the program', () => {
  const named = written.flatMap(([page, text]) =>
    [...text.matchAll(/\[((?:[A-Z][A-Z_]+)(?:, [A-Z][A-Z_]+)*)\](?!\()/g)].flatMap((match) =>
      (match[1] ?? '').split(', ').map((code) => ({ page, code })),
    ),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(({ code }) => !Object.hasOwn(errorCodes, code))).toEqual([]);
});

test('commands and options in the pages are those of the program', async () => {
  const commands = new Map((await readCommands()).map(({ name, help }) => [name, help]));
  const uses = written.flatMap(([page, text]) =>
    [...text.matchAll(/\blinstor_un ((?:lab )?[a-z]+(?:-[a-z]+)*)((?: --?[a-z-]+(?: \d+)?)*)/g)].map(
      (match) => ({
        page,
        command: match[1] ?? '',
        options: [...(match[2] ?? '').matchAll(/--([a-z-]+)/g)].map((option) => option[1] ?? ''),
      }),
    ),
  );
  const actionKinds = ['tm', 'datastore', 'vmm'];
  const wrong = uses.filter(({ command, options }) => {
    if (actionKinds.includes(command)) return false;
    const help = commands.get(command);
    return help === undefined || options.some((option) => !help.includes(`--${option}`) && option !== 'help');
  });
  expect(uses.length).toBeGreaterThan(30);
  expect(wrong).toEqual([]);
});

test('attributes in datastore templates of the pages exist', () => {
  const ofOpenNebula = ['NAME', 'TYPE', 'DS_MAD', 'TM_MAD', 'DISK_TYPE'];
  const known = new Set([...attributeNames.flatMap(namesOf), ...ofOpenNebula]);
  const used = [...(pages.get('docs/operations.md') ?? '').matchAll(/^ {4}([A-Z_]+) += /gm)].map(
    (match) => match[1] ?? '',
  );
  expect(used.length).toBeGreaterThan(10);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

test('scripts of package.json in the pages exist', () => {
  const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = written.flatMap(([, text]) =>
    [...text.matchAll(/\b(?:npm|bun) run ([a-z]+)/g)].map((match) => match[1] ?? ''),
  );
  expect(named).toContain('demo');
  expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
});

test('files of the project that the pages name exist', () => {
  const named = written.flatMap(([page, text]) =>
    [...text.matchAll(/`((?:src|test|bench|drivers|docs)\/[\w./-]*)`/g)].map((match) => ({
      page,
      path: match[1] ?? '',
    })),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(({ path }) => !existsSync(`${root}${path}`))).toEqual([]);
});
