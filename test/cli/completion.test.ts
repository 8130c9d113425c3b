import { beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../src/cli/main.ts';
import { DriverError } from '../../src/errors.ts';
import { snapshot, World } from './world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

async function candidates(...words: string[]): Promise<string[]> {
  world.out.length = 0;
  expect(await runCli(['complete', '--', ...words], world.environment())).toBe(0);
  return world.text.split('\n').filter((line) => line !== '' && !line.startsWith(':'));
}

describe('what Tab offers', () => {
  test('commands, those below lab, options', async () => {
    expect((await candidates('st'))[0]).toStartWith('status\t');
    expect((await candidates('lab', 'br'))[0]).toStartWith('break\t');
    expect((await candidates('gc', '--ap'))[0]).toStartWith('--apply\t');
  });

  test('words of a closed set', async () => {
    expect(await candidates('status', '')).toEqual(
      ['vm', 'image', 'host', 'node', 'datastore', 'locks'].map((word) => `${word}\t`),
    );
    expect(await candidates('completion', 'z')).toEqual(['zsh\t']);
  });

  test('VMs and images by id, with their names', async () => {
    expect(await candidates('status', 'vm', '')).toEqual([`7\t${world.vms[0]?.name}`]);
    expect(await candidates('trace', '--image', '3')).toEqual([`3\t${world.images[0]?.name}`]);
  });

  test('nodes of LINSTOR, hosts, and datastores of the driver', async () => {
    expect(await candidates('status', 'node', '')).toEqual(['alpha\t', 'bravo\t']);
    expect(await candidates('status', 'host', 'b')).toEqual(['bravo\t']);
    expect(await candidates('status', 'datastore', '')).toEqual(['100\timages', '101\tsystem']);
    expect(await candidates('snapshots', 'image', '--datastore', '')).toEqual(['100\timages', '101\tsystem']);
    // The command of that name.
    expect((await candidates('datastore', '')).join()).not.toContain('images');
  });

  test('snapshots of the VM that was typed', async () => {
    const name = 'one-policy-7-20261123T100000Z-7';
    world.snapshots = [snapshot('one-vm-7-disk-0', name), snapshot('one-vm-7-disk-0', 'snap-1')];
    for (const what of ['revert', 'image'])
      expect(await candidates('snapshots', what, 'vm', '7', '')).toEqual([
        `${name}\t2026-11-23 10:00:00, all disks`,
      ]);
    expect(await candidates('snapshots', 'image', 'vm', '8', '')).toEqual([]);
    world.linstorError = new DriverError('LINSTOR_UNREACHABLE', 'no answer');
    expect(await candidates('snapshots', 'revert', 'vm', '7', '')).toEqual([]);
    expect(await candidates('status', 'node', '')).toEqual([]);
    expect(world.messages).toEqual([]);
  });

  test('OpenNebula that fails offers nothing and says nothing', async () => {
    world.oneError = new DriverError('ONE_UNREACHABLE', 'no answer');
    expect(await candidates('status', 'vm', '')).toEqual([]);
    expect(world.messages).toEqual([]);
  });
});

test('an unknown shell is refused', async () => {
  expect(await runCli(['completion', 'tcsh'], world.environment())).toBe(64);
  expect(world.messages.join()).toContain('one of bash, zsh, fish');
});

test('bash completes with the script as it is printed', async () => {
  expect(await runCli(['completion', 'bash'], world.environment())).toBe(0);
  const dir = mkdtempSync(join(tmpdir(), 'completion-'));
  try {
    const main = new URL('../../src/main.ts', import.meta.url);
    const program = join(dir, 'linstor_un');
    writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${Bun.fileURLToPath(main)}" "$@"\n`);
    chmodSync(program, 0o755);
    writeFileSync(join(dir, 'script'), world.text);
    const ask = `. "$1/script"
spec=$(complete -p linstor_un) && function=\${spec#*-F } && function=\${function%% *}
COMP_WORDS=(linstor_un sta) COMP_CWORD=1 COMP_LINE='linstor_un sta' COMP_POINT=14
"$function" linstor_un sta linstor_un
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { PATH: `${dir}:${process.env['PATH']}`, HOME: dir };
    const shell = Bun.spawnSync(['bash', '-c', ask, 'bash', dir], { env, stderr: 'pipe' });
    expect(shell.stdout.toString()).toContain('status');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
