import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CliEnvironment } from '../../src/cli/command.ts';
import { labNodes, labPools } from '../../src/cli/lab-options.ts';
import { runCli } from '../../src/cli/main.ts';

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
      message: (_kind, text) => {
        said += `${text}\n`;
      },
      confirm: async () => false,
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
  expect(up).toMatchObject({ code: 0, said: `made and started: the lab in ${dir}\n` });
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
  await cli('mend');
  expect(await status()).toMatchObject({ faults: [], hosts: [{ faults: [] }, { connection: 'ONLINE' }] });

  await cli('down', '--keep');
  expect((await cli('status')).code).toBe(1);
  await cli('up');
  expect(await status()).toMatchObject({ running: true, generation: '1.31' });
  expect((await cli('down')).code).toBe(0);
  expect(existsSync(dir)).toBe(false);
}, 60_000);

describe('a person’s mistakes', () => {
  test.each([
    [['brek'], 'did you mean “linstor_un lab break”'],
    [['up', '--nods', '3'], 'did you mean --nodes?'],
    [['up', '--nodes', '0'], '1 to 32'],
    [['up', '--pool', 'thin=NTFS'], 'FILE_THIN'],
    [['up', '--generation', '1.12'], '1.33'],
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
