import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileStore } from '../../../src/lab/one/store.ts';

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lab-store-'));
  path = join(dir, 'one.json');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('changes of several processes are all kept', async () => {
  FileStore.create(path, 'a:b');
  const source = `
    import { FileStore } from ${JSON.stringify(join(import.meta.dir, '../../../src/lab/one/store.ts'))};
    const store = new FileStore(${JSON.stringify(path)});
    for (let i = 0; i < 25; i += 1) store.update((state) => { state.nextId.vm += 1; });
  `;
  const children = [1, 2, 3].map(() => Bun.spawn([process.execPath, '-e', source], { stderr: 'inherit' }));
  expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0]);
  expect(new FileStore(path).read().nextId.vm).toBe(75);
  expect(readdirSync(dir)).toEqual(['one.json']);
});

test('a failing change changes nothing and frees the lock', () => {
  const store = FileStore.create(path, 'a:b');
  expect(() =>
    store.update((state) => {
      state.version = 'half';
      throw new Error('stop');
    }),
  ).toThrow('stop');
  expect(store.read().version).not.toBe('half');
  store.update((state) => {
    state.version = 'whole';
  });
  expect(new FileStore(path).read().version).toBe('whole');
});

test('the lock of a process that is gone does not block', async () => {
  const store = FileStore.create(path, 'a:b');
  const gone = Bun.spawn(['true']);
  await gone.exited;
  writeFileSync(`${path}.lock`, String(gone.pid));
  store.update((state) => {
    state.version = 'on';
  });
  expect(store.read().version).toBe('on');
});

test('creating again keeps what is there', () => {
  FileStore.create(path, 'a:b').update((state) => {
    state.version = 'kept';
  });
  expect(FileStore.create(path, 'c:d').read()).toMatchObject({ version: 'kept', session: 'a:b' });
});
