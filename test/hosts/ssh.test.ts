import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../../src/errors.ts';
import { textOfBytes } from '../../src/hosts/raw-text.ts';
import { SshHosts, sshArgv } from '../../src/hosts/ssh.ts';
import { isThisMachine, nameByOned } from '../../src/hosts/this-machine.ts';
import { type FakeHosts, fakeHosts } from './fake-hosts.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(60_000);

let open: FakeHosts[] = [];
const start = (options?: Parameters<typeof fakeHosts>[0]): FakeHosts => {
  const fake = fakeHosts(options);
  open.push(fake);
  return fake;
};
afterEach(() => {
  for (const fake of open) fake.remove();
  open = [];
});

const codeOf = async (work: Promise<unknown>): Promise<DriverError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof DriverError) return error;
    throw error;
  }
  throw new Error('did not fail');
};

describe('ssh', () => {
  test('asks no questions, has deadlines, and ends the options before the host', () => {
    const argv = sshArgv('-oProxyCommand=x', { script: 'true' });
    expect(argv.slice(0, 9)).toEqual([
      'ssh',
      '-o',
      'BatchMode=yes',
      '-o',
      'ConnectTimeout=10',
      '-o',
      'ServerAliveInterval=10',
      '-o',
      'ServerAliveCountMax=3',
    ]);
    expect(argv.slice(-3, -1)).toEqual(['--', '-oProxyCommand=x']);
    expect(argv.some((word) => word.startsWith('Control'))).toBe(false);
  });

  test('passes arguments untouched, remotely and locally', async () => {
    const { hosts } = start();
    const args = ['a b', "it's", '$(id)', 'x\ny', '-n', '', 'ü', textOfBytes(Uint8Array.of(0xff, 0x41))];
    const command = { verb: 'echo', script: `printf '%s\\0' "$@"`, args, timeoutMs: 5000 };
    const remote = await hosts.run('host1', command);
    expect(remote.stdout.split('\0').slice(0, -1)).toEqual(args);
    expect((await hosts.local(command)).stdout).toBe(remote.stdout);
  });

  test('gives scripts pipefail, unset-variable errors, LC_ALL and sbin', async () => {
    const { hosts } = start();
    const script = 'echo "$LC_ALL $-"; case $PATH in *:/usr/sbin*) echo sbin ;; esac; false | true';
    const result = await hosts.run('host1', { verb: 'env', script, timeoutMs: 5000, okCodes: [1] });
    expect(result.stdout).toMatch(/^C \S*u\S*\nsbin\n$/);
    expect(result.exitCode).toBe(1);
  });

  test('sends stdin and keeps the caller’s own stdin to itself', async () => {
    const { hosts } = start();
    const echo = { verb: 'cat', script: 'cat', timeoutMs: 5000 };
    expect((await hosts.run('host1', { ...echo, stdin: 'a\nb' })).stdout).toBe('a\nb');
    expect((await hosts.run('host1', echo)).stdout).toBe('');
  });

  test('255 is an unreachable host, with ssh’s own words', async () => {
    const error = await codeOf(start().hosts.run('down1', { verb: 'x', script: 'true', timeoutMs: 5000 }));
    expect(error.code).toBe('HOST_UNREACHABLE');
    expect(error.message).toContain('No route to host');
  });

  const tried = (root: string): string[] => readFileSync(join(root, 'calls'), 'utf8').trim().split('\n');

  test('a host that has no time for a banner is asked again, and nothing ran twice', async () => {
    const { hosts, root, calls } = start();
    const file = join(root, 'ran');
    const script = 'echo once >>"$1"; echo done';
    const result = await hosts.run('busy1', { verb: 'x', script, args: [file], timeoutMs: 5000 });
    expect([result.stdout, result.stderr]).toEqual(['done\n', '']);
    expect(readFileSync(file, 'utf8')).toBe('once\n');
    expect(tried(root)).toEqual(['busy1', 'busy1', 'busy1']);
    expect(calls).toHaveLength(1);
  });

  test('what has begun is not, whatever its words and its code', async () => {
    const { hosts, root } = start();
    const said = 'Connection timed out during banner exchange';
    const script = 'echo "$1" >&2; echo ssh: connect to host b port 22: refused >&2; exit 255';
    const error = await codeOf(hosts.run('host1', { verb: 'x', script, args: [said], timeoutMs: 5000 }));
    expect(error.code).toBe('HOST_UNREACHABLE');
    expect(tried(root)).toEqual(['host1']);
  });

  test('one that takes no connection is tried once more, and not by each command of the action', async () => {
    const { hosts, root } = start();
    for (let index = 0; index < 3; index += 1)
      await codeOf(hosts.run('down1', { verb: 'x', script: 'true', timeoutMs: 5000 }));
    expect(tried(root)).toEqual(['down1', 'down1', 'down1', 'down1']);
  });

  test('what a script says is kept, but for the word that tells that it has begun', async () => {
    const { hosts } = start();
    const result = await hosts.run('host1', { verb: 'x', script: 'echo a >&2; echo b >&2', timeoutMs: 5000 });
    expect(result.stderr).toBe('a\nb\n');
  });

  test('another exit code is a failed command with the end of stderr', async () => {
    const script = 'for i in 1 2 3 4 5; do echo "line $i" >&2; done; exit 7';
    const error = await codeOf(
      start().hosts.run('host1', { verb: 'x', script, args: ['p q'], timeoutMs: 5000 }),
    );
    expect(error.code).toBe('HOST_COMMAND');
    expect(error.message).toBe('x failed with exit code 7 on host1: line 3 | line 4 | line 5');
    expect(error.details).toEqual(["arguments: 'p q'"]);
  });

  test('sensitive commands show neither arguments nor their echo', async () => {
    const command = {
      verb: 'x',
      script: 'echo "bad $1" >&2; exit 1',
      args: ['secret-token'],
      timeoutMs: 5000,
    };
    const error = await codeOf(start().hosts.run('host1', { ...command, sensitive: true }));
    expect(JSON.stringify([error.message, error.details])).not.toContain('secret-token');
  });

  test('accepts listed codes as answers', async () => {
    const result = await start().hosts.run('host1', {
      verb: 'x',
      script: 'exit 3',
      timeoutMs: 5000,
      okCodes: [0, 3],
    });
    expect(result.exitCode).toBe(3);
  });

  test('the deadline ends the whole group', async () => {
    const { hosts, root, calls } = start();
    const script = '(sleep 2.5; : >"$1") & wait';
    const file = join(root, 'survivor');
    const error = await codeOf(hosts.run('host1', { verb: 'x', script, args: [file], timeoutMs: 300 }));
    expect(error.code).toBe('HOST_TIMEOUT');
    expect(calls.map(({ outcome }) => outcome)).toEqual([expect.stringContaining('HOST_TIMEOUT')]);
    await Bun.sleep(2600);
    expect(existsSync(file)).toBe(false);
  });

  test('a signal ends what runs, and later commands (undo) still run', async () => {
    const stop = new AbortController();
    const { hosts } = start({ signal: stop.signal });
    const running = codeOf(hosts.run('host1', { verb: 'x', script: 'sleep 20', timeoutMs: 60_000 }));
    setTimeout(() => stop.abort(), 100);
    expect((await running).code).toBe('INTERRUPTED');
    expect((await hosts.run('host1', { verb: 'undo', script: 'echo ok', timeoutMs: 5000 })).stdout).toBe(
      'ok\n',
    );
  });

  test('output is capped', async () => {
    const script = 'head -c 3000000 /dev/zero | tr "\\0" x';
    const { stdout } = await start().hosts.run('host1', { verb: 'x', script, timeoutMs: 10_000 });
    // With what the login shell has printed.
    expect(1024 * 1024 - stdout.length).toBeWithin(0, 1024);
  });

  test('a background child that holds the pipe does not hold us', async () => {
    const script = 'sleep 20 & echo done';
    const result = await start().hosts.run('host1', { verb: 'x', script, timeoutMs: 15_000 });
    expect(result.stdout).toBe('done\n');
    expect(result.ms).toBeLessThan(10_000);
  });

  test('works on the front-end without ssh, and tells every call', async () => {
    const { hosts, root, calls } = start();
    await hosts.run('frontend', { verb: 'here', script: 'true', timeoutMs: 5000 });
    expect(existsSync(join(root, 'calls'))).toBe(false);
    await hosts.run('host1', { verb: 'there', script: 'true', timeoutMs: 5000 });
    expect(readFileSync(join(root, 'calls'), 'utf8')).toBe('host1\n');
    expect(calls.map(({ kind, target, verb, outcome }) => [kind, target, verb, outcome])).toEqual([
      ['local', 'frontend', 'here', 'exit 0'],
      ['ssh', 'host1', 'there', 'exit 0'],
    ]);
  });

  test('a command too long for one argument is refused by us, not by the kernel', () => {
    expect(() => new SshHosts().sshArgv('h', { script: 'true', args: ['x'.repeat(140_000)] })).toThrow(
      'too long',
    );
  });
});

describe('is this machine', () => {
  const full = () => 'one.example.org';
  const cases: [string, string, boolean][] = [
    ['one', 'one', true],
    ['ONE', 'one', true],
    ['localhost', 'one', true],
    ['127.0.0.1', 'one', true],
    ['::1', 'one', true],
    ['one.example.org', 'one', true],
    ['one.example.org.', 'one', true],
    ['one.other.org', 'one', false],
    ['one', 'one.example.org', true],
    ['one.other.org', 'one.example.org', false],
    ['one2', 'one', false],
    ['10.0.0.1', '10', false],
  ];
  for (const [host, own, expected] of cases) {
    test(`${host} on ${own}: ${expected}`, () => expect(isThisMachine(host, own, full)).toBe(expected));
  }
});

describe('HOSTNAME in oned.conf', () => {
  test('is what oned calls the front-end, and is worked on without ssh', async () => {
    const own = {
      nameByOned: () => nameByOned('# HOSTNAME = "no"\n  HOSTNAME = "One-FE.example" # x\nPORT = 2633\n'),
    };
    const hosts = new SshHosts(own);
    expect(hosts.isFrontend('one-fe.example')).toBe(true);
    expect(hosts.isFrontend('one-fe')).toBe(false);
    expect(new SshHosts().isFrontend('one-fe.example')).toBe(false);
    const { stdout } = await hosts.run('one-fe.example', {
      verb: 'x',
      script: 'echo here',
      timeoutMs: 10_000,
    });
    expect(stdout).toBe('here\n');
    expect(nameByOned('#HOSTNAME = "x"\nMY_HOSTNAME = "y"\n')).toBeUndefined();
    expect(nameByOned('HOSTNAME=plain')).toBe('plain');
  });
});
