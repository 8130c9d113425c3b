import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDriverError } from '../../src/errors.ts';
import { holdSession } from '../../src/hosts/session.ts';
import { SshHosts } from '../../src/hosts/ssh.ts';

/** This machine stands for the host: the same script, without ssh in between. */
const hosts = new SshHosts({ ownName: 'here' });
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'linstor_un-session-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const script = `
echo frozen
printf 'ready\\n'
read -r _
echo "released $?" >"$1"
exit "$2"
`;

describe('a state that is held on a host', () => {
  test('is reached, held, and left when told to; twice does no harm', async () => {
    const mark = join(dir, 'told');
    const session = await holdSession(hosts, 'here', {
      verb: 'hold',
      script,
      args: [mark, '7'],
      readyMs: 5000,
    });
    expect(session.said).toBe('frozen\n');
    expect(existsSync(mark)).toBe(false);
    expect((await session.release()).exitCode).toBe(7);
    expect((await session.release()).exitCode).toBe(7);
    expect(readFileSync(mark, 'utf8')).toBe('released 0\n');
  });

  test('is left when our process is killed', async () => {
    const mark = join(dir, 'killed');
    const program = join(dir, 'holder.ts');
    await Bun.write(
      program,
      `import { holdSession } from ${JSON.stringify(join(import.meta.dir, '../../src/hosts/session.ts'))};
       import { SshHosts } from ${JSON.stringify(join(import.meta.dir, '../../src/hosts/ssh.ts'))};
       await holdSession(new SshHosts({ ownName: 'here' }), 'here', { verb: 'hold', script: ${JSON.stringify(script)}, args: [${JSON.stringify(mark)}, '0'], readyMs: 5000 });
       console.log('held'); await Bun.sleep(60000);`,
    );
    const holder = Bun.spawn([process.execPath, program], { stdout: 'pipe' });
    const reader = holder.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('held\n');
    holder.kill('SIGKILL');
    await holder.exited;
    for (let tries = 0; tries < 100 && !existsSync(mark); tries += 1) await Bun.sleep(20);
    expect(readFileSync(mark, 'utf8')).toBe('released 1\n');
  });

  test('a script that does not get ready is ended and reported', async () => {
    const late = holdSession(hosts, 'here', { verb: 'hold', script: 'sleep 60', readyMs: 200 });
    expect(isDriverError(await late.catch((error: unknown) => error), 'HOST_TIMEOUT')).toBe(true);
    const failing = holdSession(hosts, 'here', {
      verb: 'hold',
      script: 'echo no agent >&2; exit 3',
      readyMs: 5000,
    });
    const error = await failing.catch((thrown: unknown) => thrown);
    expect(isDriverError(error, 'HOST_COMMAND')).toBe(true);
    expect(String(error)).toContain('no agent');
  });

  test('a background process that keeps our pipes does not keep us', async () => {
    const keeper = 'sleep 30 & printf "ready\\n"; read -r _; exit 0';
    const session = await holdSession(hosts, 'here', { verb: 'hold', script: keeper, readyMs: 5000 });
    expect((await session.release()).exitCode).toBe(0);
  });
});
