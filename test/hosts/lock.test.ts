import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDriverError } from '../../src/errors.ts';
import { Locks, lockFileName } from '../../src/hosts/lock.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(60_000);

const clock = { now: () => Date.now(), sleep: (ms: number) => Bun.sleep(ms) };
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linstor_un-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const locks = (action?: string): Locks => new Locks({ clock, directory, ...(action ? { action } : {}) });

/** Another process that takes the lock, says so, and holds it until its stdin ends. */
function otherProcess(name: string) {
  const module = join(import.meta.dir, '../../src/hosts/lock.ts');
  const text = `import { Locks } from ${JSON.stringify(module)};
    const clock = { now: () => Date.now(), sleep: (ms) => Bun.sleep(ms) };
    const locks = new Locks({ clock, directory: ${JSON.stringify(directory)}, action: 'tm/clone 12' });
    await locks.run(${JSON.stringify(name)}, async () => { console.log('held'); await Bun.stdin.text(); });`;
  return Bun.spawn([process.execPath, '-e', text], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
}
const firstLine = async (stream: ReadableStream<Uint8Array>): Promise<string> => {
  for await (const chunk of stream) return new TextDecoder().decode(chunk);
  return '';
};

describe('locks', () => {
  test('independent tasks of one process exclude each other', async () => {
    let inside = 0;
    let most = 0;
    const shared = locks();
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await Bun.sleep(5);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 8 }, () => shared.run('rd-one-image-7', work)));
    expect(most).toBe(1);
  });

  test('other names do not wait', async () => {
    const shared = locks();
    const value = await shared.run('a', () => shared.run('b', async () => 'both', 100), 100);
    expect(value).toBe('both');
  });

  test('is entered again inside its own work, also through awaits', async () => {
    const shared = locks();
    const value = await shared.run('a', async () => {
      await Bun.sleep(1);
      return shared.run('a', async () => 'inner', 50);
    });
    expect(value).toBe('inner');
  });

  test('is released when the work throws', async () => {
    const shared = locks();
    await expect(shared.run('a', () => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(await shared.run('a', async () => 1, 50)).toBe(1);
  });

  test('a waiting process is told who holds it', async () => {
    const other = otherProcess('rd-x');
    expect(await firstLine(other.stdout)).toBe('held\n');
    const error = await locks()
      .run('rd-x', async () => 1, 100)
      .catch((thrown: unknown) => thrown);
    expect(isDriverError(error, 'LOCK_TIMEOUT')).toBe(true);
    expect(String(error)).toContain(`held by process ${other.pid} (tm/clone 12)`);
    other.stdin.end();
    await other.exited;
    expect(await locks().run('rd-x', async () => 2, 1000)).toBe(2);
  });

  test('kill -9 of the holder releases it', async () => {
    const other = otherProcess('rd-y');
    await firstLine(other.stdout);
    other.kill('SIGKILL');
    await other.exited;
    expect(await locks().run('rd-y', async () => 3, 1000)).toBe(3);
  });

  test('processes hand it over without ever being inside together, and leave no files', async () => {
    const module = join(import.meta.dir, '../../src/hosts/lock.ts');
    const text = `import { Locks } from ${JSON.stringify(module)};
      import { mkdirSync, rmdirSync } from 'node:fs';
      const clock = { now: () => Date.now(), sleep: (ms) => Bun.sleep(ms) };
      const locks = new Locks({ clock, directory: ${JSON.stringify(directory)} });
      for (let i = 0; i < 20; i++) await locks.run('z', async () => {
        mkdirSync(${JSON.stringify(join(directory, 'inside'))});
        await Bun.sleep(1);
        rmdirSync(${JSON.stringify(join(directory, 'inside'))});
      });`;
    const children = [1, 2, 3].map(() => Bun.spawn([process.execPath, '-e', text], { stderr: 'inherit' }));
    expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0]);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('any name gives one file name of its own', () => {
    const names = ['a', 'A', 'a/b', 'a_b', '../x', '..', 'x'.repeat(300), `${'x'.repeat(299)}y`, 'ü'];
    const files = names.map(lockFileName);
    expect(new Set(files).size).toBe(names.length);
    for (const file of files) expect(file).toMatch(/^linstor_un-[A-Za-z0-9._~-]{1,200}\.lock$/);
  });
});

describe.if(process.getuid?.() === 0)('a lock that root has left', () => {
  test('does not stop oneadmin, unless root holds it', async () => {
    const path = join(directory, lockFileName('a'));
    const module = join(import.meta.dir, '../../src/hosts/lock.ts');
    chownSync(directory, 54_321, 54_321);
    const asOneadmin = (): string => {
      const text = `const { Locks } = await import(process.argv[1]);
        process.setgid(54321); process.setuid(54321);
        const locks = new Locks({ clock: { now: () => Date.now(), sleep: (ms) => Bun.sleep(ms) }, directory: process.argv[2] });
        console.log(await locks.run('a', async () => 'in', 1000).catch((error) => error.code));`;
      return Bun.spawnSync([process.execPath, '-e', text, module, directory]).stdout.toString().trim();
    };
    writeFileSync(path, '1 tm/clone\n', { mode: 0o600 });
    expect(asOneadmin()).toBe('in');
    const held = await locks().run('a', async () => asOneadmin());
    expect(held).toBe('LOCK_TIMEOUT');
    expect(asOneadmin()).toBe('in');
  });
});
