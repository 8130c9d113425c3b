import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDriverError } from '../../src/errors.ts';
import { PipelineError, runPipeline, type Stage } from '../../src/hosts/pipeline.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(60_000);

const sh = (name: string, script: string, ...args: string[]): Stage => ({
  name,
  argv: ['bash', '-c', script, name, ...args],
});
const failure = async (stages: readonly Stage[], timeoutMs = 10_000): Promise<unknown> =>
  runPipeline(stages, { timeoutMs }).then(
    () => undefined,
    (error: unknown) => error,
  );

describe('pipeline', () => {
  test('joins any number of stages and keeps the words of their argv', async () => {
    const stages = [
      sh('a', 'printf "%s\\n" "$@"', 'x y', '', "it's", '-n'),
      sh('b', 'sort'),
      sh('c', 'cat; echo end'),
    ];
    const result = await runPipeline(stages, { timeoutMs: 10_000 });
    expect(result.stdout).toBe("\n-n\nit's\nx y\nend\n");
    expect(result.codes).toEqual([0, 0, 0]);
  });

  test.each([0, 1, 2])('a failure of stage %i fails the whole, and is named', async (index) => {
    const stages = [sh('first', 'echo data'), sh('second', 'cat'), sh('third', 'cat >/dev/null')];
    stages[index] = sh('broken', 'cat >/dev/null; echo "no luck" >&2; exit 7');
    const error = await failure(stages);
    expect(error).toBeInstanceOf(PipelineError);
    expect(error).toMatchObject({ code: 'HOST_COMMAND', stage: 'broken', exitCode: 7 });
    expect(String(error)).toContain('no luck');
  });

  describe('a connection that was never made', () => {
    /** An ssh that has no banner for the first tries, and then takes its input. */
    function busy(
      words: string,
      tries = 2,
    ): { stages: readonly Stage[]; tried: () => number; remove(): void } {
      const folder = mkdtempSync(join(tmpdir(), 'linstor_un-pipe-'));
      const program = join(folder, 'ssh');
      const log = join(folder, 'tries');
      const script = `#!/bin/bash
echo x >>'${log}'
if [ "$(wc -l <'${log}')" -le ${tries} ]; then echo '${words}' >&2; exit 255; fi
cat
`;
      writeFileSync(program, script, { mode: 0o755 });
      return {
        stages: [sh('source', 'echo data'), { name: 'target', argv: [program, 'host1', 'cat'] }],
        tried: () => readFileSync(log, 'utf8').length / 2,
        remove: () => rmSync(folder, { recursive: true, force: true }),
      };
    }
    const options = { timeoutMs: 10_000, sleep: async () => undefined };
    const banner = 'Connection timed out during banner exchange';

    test('is made again, from the beginning', async () => {
      const { stages, tried, remove } = busy(banner);
      expect((await runPipeline(stages, options)).stdout).toBe('data\n');
      expect(tried()).toBe(3);
      remove();
    });

    test('not for ever', async () => {
      const { stages, tried, remove } = busy(banner, 99);
      await expect(runPipeline(stages, options)).rejects.toThrow('banner exchange');
      expect(tried()).toBe(4);
      remove();
    });

    test('and nothing that may have begun is', async () => {
      const broken = busy('client_loop: send disconnect: Broken pipe');
      await expect(runPipeline(broken.stages, options)).rejects.toThrow('Broken pipe');
      expect(broken.tried()).toBe(1);
      broken.remove();
      const handed = busy(banner);
      const descriptor = openSync('/dev/null', 'r');
      const pipeline = runPipeline(handed.stages, { ...options, descriptors: [descriptor] });
      await expect(pipeline).rejects.toThrow('banner exchange');
      expect(handed.tried()).toBe(1);
      handed.remove();
    });
  });

  test('a consumer that dies is blamed, not the producer that loses its pipe', async () => {
    const error = await failure([
      sh('producer', 'exec cat /dev/zero'),
      sh('consumer', 'head -c 100 >/dev/null; exit 3'),
    ]);
    expect(error).toMatchObject({ stage: 'consumer', exitCode: 3, codes: [141, 3] });
  });

  test('a consumer that takes too little without saying so fails as well', async () => {
    const error = await failure([
      sh('producer', 'exec cat /dev/zero'),
      sh('consumer', 'head -c 100 >/dev/null'),
    ]);
    expect(error).toMatchObject({ stage: 'producer', exitCode: 141 });
  });

  test('a killed stage fails the whole', async () => {
    const error = await failure([sh('a', 'echo partial; kill -9 $$'), sh('b', 'cat >/dev/null')]);
    expect(error).toMatchObject({ stage: 'a', exitCode: 137 });
  });

  test('a missing program fails the whole', async () => {
    expect(await failure([{ name: 'none', argv: ['/no/such/program'] }, sh('b', 'cat')])).toMatchObject({
      stage: 'none',
      exitCode: 127,
    });
  });

  test('stderr cannot pretend an exit code', async () => {
    expect(await failure([sh('a', 'echo "stage-0 0 0" >&2; exit 5')])).toMatchObject({ exitCode: 5 });
  });

  test('the deadline ends every stage', async () => {
    const started = Date.now();
    const error = await failure([sh('a', 'sleep 30'), sh('b', 'cat')], 200);
    expect(isDriverError(error, 'HOST_TIMEOUT')).toBe(true);
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test('descriptors are handed on', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'linstor_un-pipe-'));
    writeFileSync(join(dir, 'f'), 'through fd 3');
    const result = await runPipeline([sh('a', 'cat /proc/self/fd/3'), sh('b', 'cat')], {
      timeoutMs: 5000,
      descriptors: [openSync(join(dir, 'f'), 'r')],
    });
    expect(result.stdout).toBe('through fd 3');
    rmSync(dir, { recursive: true });
  });

  test('in a loop both talk, and each sees the end of the other', async () => {
    const first = sh('a', 'echo question; read -r answer; read -r more; echo "$answer, then $?" >&2');
    const second = sh('b', 'read -r said; echo "to $said"; sleep 0.1');
    const { stderr, codes } = await runPipeline([first, second], { timeoutMs: 10_000, loop: true });
    expect(stderr).toBe('to question, then 1\n');
    expect(codes).toEqual([0, 0]);
    const silent = [sh('a', 'exit 0'), sh('b', 'read -r said; echo $? >&2')];
    expect((await runPipeline(silent, { timeoutMs: 10_000, loop: true })).stderr).toBe('1\n');
  });

  test('kill -9 of this program ends the writers', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'linstor_un-pipe-'));
    const module = join(import.meta.dir, '../../src/hosts/pipeline.ts');
    const file = join(dir, 'grows');
    const text = `import { runPipeline } from ${JSON.stringify(module)};
      const slow = 'for i in {1..100}; do echo $i; sleep 0.05; done';
      await runPipeline([
        { name: 'a', argv: ['bash', '-c', slow] },
        { name: 'b', argv: ['bash', '-c', 'cat >"$1"', 'b', ${JSON.stringify(file)}] },
      ], { timeoutMs: 60000 });`;
    const child = Bun.spawn([process.execPath, '-e', text], { stderr: 'inherit' });
    while (!existsSync(file) || readFileSync(file).length < 4) await Bun.sleep(20);
    child.kill('SIGKILL');
    await child.exited;
    await Bun.sleep(200);
    const size = readFileSync(file).length;
    await Bun.sleep(300);
    expect(readFileSync(file).length).toBe(size);
    rmSync(dir, { recursive: true });
  });
});
