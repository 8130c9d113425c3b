import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CliEnvironment } from '../../src/cli/command.ts';
import { labNodes, labPools } from '../../src/cli/lab/options.ts';
import { runCli } from '../../src/cli/main.ts';
import { Cluster } from '../../src/lab/cluster.ts';
import { isRunning } from '../../src/lab/cluster-serve.ts';

const main = Bun.fileURLToPath(new URL('../../src/main.ts', import.meta.url));
let root: string;
let dir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lab-commands-'));
  dir = join(root, 'lab');
});
afterEach(async () => {
  if (existsSync(dir)) await cli('down');
  rmSync(root, { recursive: true, force: true });
});

interface Ran {
  code: number;
  out: string;
  said: string;
}

async function cli(...argv: string[]): Promise<Ran> {
  let out = '';
  let said = '';
  const { LS_CONTROLLERS: _, ...inherited } = process.env;
  const environment: CliEnvironment = {
    terminal: {
      interactive: false,
      color: false,
      columns: 80,
      rows: 24,
      out: (text) => {
        out += text;
      },
      data: (text) => {
        out += text;
      },
      message: (_kind, text) => {
        said += `${text}\n`;
      },
      confirm: async () => false,
      ask: async (_question, proposed) => proposed,
    },
    env: { ...inherited, LINSTOR_UN_LAB: dir },
    executable: process.execPath,
    version: '0',
    now: () => new Date(),
    context: () => Promise.reject(new Error('not used')),
  };
  return { code: await runCli(['lab', ...argv], environment), out, said };
}

test('a lab from its start to its end', async () => {
  const up = await cli('up', '--nodes', '2', '--pool', 'thin=LVM_THIN:20G', '--generation', '1.31');
  expect(up).toMatchObject({ code: 0, said: `created and started: the lab in ${dir}\n` });
  const status = async () => JSON.parse((await cli('status', '--json')).out);
  expect(await status()).toMatchObject({
    running: true,
    generation: '1.31',
    resources: 0,
    hosts: [{ name: 'node1', faults: [], connection: 'ONLINE' }, { name: 'node2' }],
  });

  // A second `up` starts nothing.
  const { pid } = await status();
  expect((await cli('up')).said).toBe(`running: the lab in ${dir}\n`);
  expect((await status()).pid).toBe(pid);

  await cli('break', 'host', 'node1', 'refused', '--times', '1');
  await cli('break', 'node', 'node2');
  expect(await status()).toMatchObject({
    hosts: [{ faults: ['refused 1 times'] }, { connection: 'OFFLINE' }],
  });
  const ssh = () => Bun.spawnSync([join(dir, 'bin/ssh'), 'node1', 'true'], { stderr: 'ignore' }).exitCode;
  expect([ssh(), ssh()]).toEqual([255, 0]);
  const client = Bun.spawnSync([
    join(dir, 'bin/linstor'),
    '-m',
    '--controllers',
    (await status()).linstor,
    'node',
    'list',
  ]);
  expect([client.exitCode, client.stdout.toString().includes('"OFFLINE"')]).toEqual([0, true]);
  // Even a controller that answers nobody can be mended.
  expect((await cli('break', 'pool', 'node1')).code).toBe(0);
  await cli('break', 'device', 'node2', '--value', '9');
  await cli('break', 'controller', 'drop');
  expect(await status()).toMatchObject({
    damage: { pools: [{ node: 'node1', pool: 'thin', freeKib: 0 }], lateDevices: { node2: 9 } },
  });
  expect((await cli('status')).out).toContain('pool thin on node1 has 0 KiB free');
  expect((await cli('mend')).code).toBe(0);
  expect(await status()).toMatchObject({ damage: { pools: [], lateDevices: {} } });
  expect(await status()).toMatchObject({ faults: [], hosts: [{ faults: [] }, { connection: 'ONLINE' }] });

  await cli('down', '--keep');
  expect((await cli('status')).code).toBe(1);
  await cli('up');
  expect(await status()).toMatchObject({ running: true, generation: '1.31' });
  expect((await cli('down')).code).toBe(0);
  expect(existsSync(dir)).toBe(false);
}, 60_000);

test('killed, the lab is started again with what it held; options that it cannot follow are named', async () => {
  await cli('up', '--nodes', '1');
  const status = async () => JSON.parse((await cli('status', '--json')).out);
  const linstor = (...argv: string[]) =>
    Bun.spawnSync([join(dir, 'bin/linstor'), ...argv], {
      env: { ...process.env, LS_CONTROLLERS: new Cluster(dir).linstorUrl },
    });
  expect(linstor('resource-definition', 'create', 'kept').exitCode).toBe(0);
  const { pid } = await status();
  process.kill(pid, 'SIGKILL');
  while (isRunning(new Cluster(dir).description)) await Bun.sleep(10);
  expect(await status()).toMatchObject({ running: false });
  expect((await cli('break', 'node', 'node1')).said).toContain('not running');
  const up = await cli('up', '--nodes', '4');
  expect([up.code, up.said.includes('its nodes stay')]).toEqual([0, true]);
  // What is written to a file stays there when the client writes after it.
  const log = join(root, 'log');
  Bun.spawnSync(
    [
      'sh',
      '-c',
      '{ echo first; "$0" resource-definition list; echo last; } >"$1"',
      join(dir, 'bin/linstor'),
      log,
    ],
    {
      env: { ...process.env, LS_CONTROLLERS: new Cluster(dir).linstorUrl },
    },
  );
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  expect([lines[0], lines.at(-1), lines.some((line) => line.includes('kept'))]).toEqual([
    'first',
    'last',
    true,
  ]);
}, 60_000);

test('two that start one lab at once make one; two labs know nothing of each other', async () => {
  const [first, second] = await Promise.all([cli('up', '--nodes', '1'), cli('up', '--nodes', '1')]);
  expect([first.code, second.code]).toEqual([0, 0]);
  expect([first.said, second.said].sort()).toEqual([
    `created and started: the lab in ${dir}\n`,
    `running: the lab in ${dir}\n`,
  ]);
  const other = join(root, 'other');
  expect((await cli('up', '--nodes', '1', '--dir', other)).code).toBe(0);
  const [one, two] = [new Cluster(dir).driverEnv(), new Cluster(other).driverEnv()];
  for (const name of ['LS_CONTROLLERS', 'ONE_XMLRPC', 'LINSTOR_UN_LOCKS', 'LINSTOR_UN_LOG', 'ONE_LOCATION'])
    expect([name, one[name] !== two[name]]).toEqual([name, true]);
  expect(existsSync(one['LINSTOR_UN_LOCKS'] ?? '')).toBe(true);
  expect((await cli('down', '--dir', other)).code).toBe(0);
  expect((await cli('status')).code).toBe(0);
}, 60_000);

test('`down` throws a directory away: a lab is not made among other files', async () => {
  mkdirSync(dir);
  writeFileSync(join(dir, 'thesis.tex'), 'precious');
  const { code, said } = await cli('up');
  expect([code, said.includes('is not empty (thesis.tex)')]).toEqual([1, true]);
  expect(readdirSync(dir)).toEqual(['thesis.tex']);
  rmSync(dir, { recursive: true });
});

test('a reader that goes early costs no trace', async () => {
  await cli('up', '--nodes', '32');
  for (const argv of [
    ['lab', 'linstor', '-m', 'storage-pool', 'list'],
    ['lab', 'status', '--json'],
    ['lab', '--help'],
  ]) {
    const shell = Bun.spawnSync(
      ['bash', '-c', '"$@" | true; echo "$PIPESTATUS"', 'bash', process.execPath, main, ...argv],
      {
        env: { ...process.env, LINSTOR_UN_LAB: dir },
      },
    );
    expect([argv.join(' '), shell.stderr.toString(), shell.stdout.toString()]).toEqual([
      argv.join(' '),
      '',
      '0\n',
    ]);
  }
}, 60_000);

describe('a person’s mistakes', () => {
  test.each([
    [['brek'], 'did you mean “linstor_un lab break”'],
    [['up', '--nods', '3'], 'did you mean --nodes?'],
    [['up', '--nodes', '0'], '1 to 32'],
    [['up', '--pool', 'thin=NTFS'], 'FILE_THIN'],
    [['up', '--generation', '1.12'], '1.33'],
    [['up', '--layers', 'FOO'], 'DRBD'],
    [['up', '--pool', 'a=LVM:0G'], 'is not a pool'],
    [['status'], 'linstor_un lab up'],
    [['down'], 'linstor_un lab up'],
  ] as const)('%p', async (argv, hint) => {
    const { code, said } = await cli(...argv);
    expect(code).not.toBe(0);
    expect(said).toContain(hint);
    expect(existsSync(dir)).toBe(false);
  });

  test('help is never an action', async () => {
    for (const name of ['up', 'down', 'status', 'break', 'mend', 'env', 'serve', 'demo']) {
      const { code, out } = await cli(name, '--help');
      expect(code).toBe(0);
      expect(out).toContain(`linstor_un lab ${name}`);
      expect(out).toContain('EXAMPLES');
    }
    expect((await cli('--help')).out).toContain('linstor_un lab demo');
    expect(existsSync(dir)).toBe(false);
  });
});

test('nodes and pools as a person writes them', () => {
  expect(labNodes('2')).toEqual(['node1', 'node2']);
  expect(labNodes('alpha, bravo')).toEqual(['alpha', 'bravo']);
  expect(() => labNodes('a,a')).toThrow('different');
  expect(labPools('thin=lvm_thin:20G,fat=LVM:512M,x=ZFS')).toEqual([
    { name: 'thin', provider: 'LVM_THIN', sizeKib: 20 * 1024 ** 2 },
    { name: 'fat', provider: 'LVM', sizeKib: 512 * 1024 },
    { name: 'x', provider: 'ZFS' },
  ]);
});

test('a satellite is slow, hangs or dies with its host; the status says so, and mend takes it back', async () => {
  await cli('up', '--nodes', '3');
  for (const [...words] of [
    ['slow', 'node1', '--value', '2'],
    ['hang', 'node2'],
    ['dead', 'node3', '--value', '600'],
  ])
    expect((await cli('break', ...words)).code).toBe(0);
  const { out } = await cli('status');
  expect(out).toContain('the satellite of node1 takes 2 s for everything');
  expect(out).toContain('the satellite of node2 answers nothing');
  expect(out).toMatch(/node3.*ssh down/);
  const damage = async () => JSON.parse((await cli('status', '--json')).out).damage;
  expect(await damage()).toMatchObject({ slow: { node1: 2 }, hung: ['node2', 'node3'] });
  await cli('mend', 'node3');
  expect(await damage()).toMatchObject({ hung: ['node2'] });
  await cli('mend');
  expect(await damage()).toMatchObject({ slow: {}, hung: [] });
  expect((await cli('status')).out).not.toContain('fault');
  expect((await cli('break', 'slow', 'nobody')).code).not.toBe(0);
});
