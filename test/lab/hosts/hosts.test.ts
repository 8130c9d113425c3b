import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setHostFaults } from '../../../src/lab/hosts/faults.ts';
import {
  createHosts,
  detectIsolation,
  pathOnHost,
  setMounts,
  traceCommands,
  tracedCommands,
} from '../../../src/lab/hosts/hosts.ts';

let dir: string;
let location: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lab-hosts-'));
  location = join(dir, 'datastores');
  createHosts({ dir, names: ['node1', 'node2'], location });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function ssh(args: string[], stdin = ''): Promise<Ran> {
  const child = Bun.spawn([join(dir, 'bin', 'ssh'), ...args], {
    stdin: Buffer.from(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...process.env, LS_CONTROLLERS: 'secret-of-the-caller' },
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

describe('ssh of the lab', () => {
  test('passes exit code, streams and quoting through', async () => {
    const ran = await ssh(
      ['-o', 'BatchMode=yes', '--', 'node1', `cat; printf '%s|' "a  b" '$HOME'; echo oops >&2; exit 7`],
      'in',
    );
    expect(ran).toEqual({ code: 7, stdout: 'ina  b|$HOME|', stderr: 'oops\n' });
  });

  test('joins several words by blanks and takes options after the host', async () => {
    const ran = await ssh(['oneadmin@node1', '-n', 'echo', 'a   b', '"c   d"'], 'unread');
    expect(ran).toEqual({ code: 0, stdout: 'a b c   d\n', stderr: '' });
  });

  test('-G tells the configuration and runs nothing; -L forwards a socket', async () => {
    const shown = await ssh(['-G', '-o', 'BatchMode=yes', '--', 'node1', 'echo ran']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('hostname node1\n');
    expect(shown.stdout).toMatch(/^ciphers \S+$/m);
    expect(shown.stdout).not.toContain('ran');
    const socket = join(dir, 'socket');
    const server = Bun.listen({
      unix: socket,
      socket: { open: (each) => void each.end('hello'), data() {} },
    });
    try {
      await ssh(['-L', `${join(dir, 'here')}:${socket}`, 'node1', 'true']);
      const heard = Promise.withResolvers<string>();
      await Bun.connect({
        unix: join(dir, 'here'),
        socket: { data: (_, bytes) => heard.resolve(bytes.toString()) },
      });
      expect(await heard.promise).toBe('hello');
    } finally {
      server.stop(true);
    }
  });

  test('without a command the input is the script', async () => {
    expect((await ssh(['node1'], 'echo $((6 * 7))\n')).stdout).toBe('42\n');
  });

  test('an unknown host is refused as ssh refuses it', async () => {
    for (const host of ['node9', '../hosts/node1', '.isolation']) {
      const ran = await ssh([host, 'touch', join(dir, 'ran')]);
      expect(ran.code).toBe(255);
      expect(ran.stderr).toBe(`ssh: Could not resolve hostname ${host}: Name or service not known\n`);
    }
    expect(await Bun.file(join(dir, 'ran')).exists()).toBe(false);
  });

  test('an unknown option is a usage error', async () => {
    expect((await ssh(['-Z', 'node1', 'true'])).code).toBe(255);
  });

  test('nothing of the caller’s environment arrives, and the session starts at home', async () => {
    const ran = await ssh(['node1', 'printenv LS_CONTROLLERS || echo none; pwd; printenv HOME']);
    const home = join(dir, 'hosts/node1/home');
    expect(ran.stdout).toBe(`none\n${home}\n${home}\n`);
  });

  test('a host reaches another one', async () => {
    expect((await ssh(['node1', `ssh node2 'echo "$LAB_HOST"'`])).stdout).toBe('node2\n');
  });

  test('bytes stream through unchanged', async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(300_000).subarray(0, 65_536));
    const child = Bun.spawn([join(dir, 'bin', 'ssh'), 'node1', 'cat'], { stdin: bytes, stdout: 'pipe' });
    expect(new Uint8Array(await new Response(child.stdout).arrayBuffer())).toEqual(bytes);
  });

  test('commands can be traced', async () => {
    await ssh(['node1', 'true']);
    traceCommands(dir, 'node1');
    await ssh(['node1', 'printf', 'a\nb']);
    await ssh(['node2', 'true']);
    expect(tracedCommands(dir, 'node1')).toEqual(['printf a\nb']);
    expect(tracedCommands(dir, 'node2')).toEqual([]);
  });
});

describe.skipIf(detectIsolation() === 'none')('file trees', () => {
  test('each host has its own below the datastore location, the front-end too', async () => {
    await ssh(['node1', `echo one >${location}/file`]);
    await ssh(['node2', `echo two >${location}/file`]);
    writeFileSync(join(location, 'file'), 'front-end\n');
    expect((await ssh(['node1', `cat ${location}/file`])).stdout).toBe('one\n');
    expect((await ssh(['node2', `cat ${location}//file`])).stdout).toBe('two\n');
    expect(readFileSync(pathOnHost(dir, 'node2', `${location}//file`), 'utf8')).toBe('two\n');
    expect(readFileSync(join(location, 'file'), 'utf8')).toBe('front-end\n');
  });

  test('nested sessions see the inner host’s tree', async () => {
    await ssh([
      'node1',
      `echo one >${location}/file; ssh node2 'echo two >${location}/file'; cat ${location}/file`,
    ]);
    expect(readFileSync(join(dir, 'hosts/node2/datastores/file'), 'utf8')).toBe('two\n');
    expect(readFileSync(join(dir, 'hosts/node1/datastores/file'), 'utf8')).toBe('one\n');
  });

  test('other paths can be a host’s own', async () => {
    const to = join(dir, 'dev');
    setMounts(dir, 'node1', [{ from: join(dir, 'hosts/node1/dev'), to }]);
    await ssh(['node1', `echo x >${to}/a`]);
    expect((await ssh(['node2', `ls ${to}`])).stdout).toBe('');
    expect((await ssh(['node1', `ls ${to}`])).stdout).toBe('a\n');
  });
});

test('without isolation hosts share one tree', async () => {
  createHosts({ dir, names: ['node1', 'node2'], location, isolation: 'none' });
  await ssh(['node1', `echo one >${location}/file`]);
  expect((await ssh(['node2', `cat ${location}/file`])).stdout).toBe('one\n');
});

test.skipIf(detectIsolation() === 'none' || Bun.which('scp') === null)(
  'scp goes from host to host, and between the front-end and a host',
  async () => {
    await ssh(['node1', `echo one >${location}/file`]);
    await ssh(['node2', `scp -q node1:${location}/file ${location}/copy`]);
    expect(readFileSync(join(dir, 'hosts/node2/datastores/copy'), 'utf8')).toBe('one\n');
    const there = Bun.spawn([join(dir, 'bin/scp'), '-q', `node2:${location}/copy`, join(dir, 'here')]);
    expect(await there.exited).toBe(0);
    expect(readFileSync(join(dir, 'here'), 'utf8')).toBe('one\n');
    expect((await ssh(['node1', `scp -q node2:${location}/none .`])).code).not.toBe(0);
  },
);

describe('faults', () => {
  test('refused: exit 255, nothing runs; only for that host, only as often as told', async () => {
    setHostFaults(dir, 'node1', [{ mode: 'refused', skip: 1, times: 2 }]);
    const codes: number[] = [];
    for (let call = 0; call < 5; call += 1) codes.push((await ssh(['node1', 'true'])).code);
    expect(codes).toEqual([0, 255, 255, 0, 0]);
    setHostFaults(dir, 'node1', [{ mode: 'refused' }]);
    const ran = await ssh(['node1', `touch ${dir}/ran`]);
    expect(ran.stderr).toBe('ssh: connect to host node1 port 22: Connection refused\n');
    expect(await Bun.file(join(dir, 'ran')).exists()).toBe(false);
    expect((await ssh(['node2', 'true'])).code).toBe(0);
    setHostFaults(dir, 'node1', []);
    expect((await ssh(['node1', 'true'])).code).toBe(0);
  });

  test('a rule is for matching commands', async () => {
    setHostFaults(dir, 'node1', [
      { mode: 'fail', code: 5, match: 'dd if=' },
      { mode: 'fail', code: 6, match: "a'b" },
    ]);
    expect((await ssh(['node1', 'echo dd'])).code).toBe(0);
    expect((await ssh(['node1', 'dd if=/dev/null'])).code).toBe(5);
    expect((await ssh(['node1', `echo "a'b"`])).code).toBe(6);
  });

  test('lost: the work is done, the answer is not', async () => {
    setHostFaults(dir, 'node1', [{ mode: 'lost' }]);
    const ran = await ssh(['node1', `echo answer; echo done >${dir}/ran`]);
    expect(ran).toEqual({ code: 255, stdout: '', stderr: 'client_loop: send disconnect: Broken pipe\n' });
    expect(readFileSync(join(dir, 'ran'), 'utf8')).toBe('done\n');
  });

  test('die: a part passes, in either direction, and open input does not keep it alive', async () => {
    setHostFaults(dir, 'node1', [{ mode: 'die', bytes: 1000 }]);
    const read = await ssh(['node1', 'head -c 5000 /dev/zero']);
    expect([read.code, read.stdout.length]).toEqual([255, 1000]);
    const target = join(dir, 'written');
    const write = await ssh(['node1', `cat >${target}`], 'x'.repeat(5000));
    expect([write.code, Bun.file(target).size]).toEqual([255, 1000]);
    const open = Bun.spawn([join(dir, 'bin', 'ssh'), 'node1', 'true'], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'ignore',
    });
    expect(await open.exited).toBe(255);
    open.stdin.end();
  });

  test('hang and down end when told; slow still answers', async () => {
    setHostFaults(dir, 'node1', [
      { mode: 'hang', seconds: 0.2, times: 1 },
      { mode: 'down', seconds: 0, times: 1 },
      { mode: 'slow', seconds: 0.1 },
    ]);
    expect(await ssh(['node1', 'echo hi'])).toEqual({ code: 0, stdout: '', stderr: '' });
    const down = await ssh(['-o', 'ConnectTimeout=10', 'node1', 'true']);
    expect(down).toEqual({
      code: 255,
      stdout: '',
      stderr: 'ssh: connect to host node1 port 22: Connection timed out\n',
    });
    expect((await ssh(['node1', 'echo hi'])).stdout).toBe('hi\n');
  });

  test('concurrent calls count once each', async () => {
    setHostFaults(dir, 'node1', [{ mode: 'refused', skip: 3, times: 4 }]);
    const codes = (await Promise.all(Array.from({ length: 12 }, () => ssh(['node1', 'true'])))).map(
      (ran) => ran.code,
    );
    expect(codes.filter((code) => code === 255)).toHaveLength(4);
  });
});

test('a host that is not there is named with those that are', () => {
  expect(() => setHostFaults(dir, 'node7', [{ mode: 'refused' }])).toThrow('node1, node2');
});

test('making the hosts again adds and keeps', () => {
  mkdirSync(join(dir, 'hosts/node1/datastores/0/1'), { recursive: true });
  createHosts({ dir, names: ['node3'], location });
  expect(readFileSync(join(dir, 'hosts', '.isolation'), 'utf8')).toContain(location);
});
