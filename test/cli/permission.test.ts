import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCommand } from '../../src/cli/permission.ts';
import { ownBinary } from '../../src/tools/own-binary.ts';
import { execrc, FrontEnd, onedConf } from '../install/fixtures.ts';

/** As an ordinary user: only root can become one. */
const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('a user without rights', () => {
  let frontEnd: FrontEnd;
  let home: string;
  let program: string;
  beforeAll(() => {
    frontEnd = new FrontEnd();
    frontEnd.write('/one/etc/oned.conf', onedConf, 0o640);
    frontEnd.write('/one/etc/vmm_exec/vmm_execrc', execrc);
    frontEnd.write('/one/var/remotes/VERSION', '7.0.0\n');
    home = mkdtempSync(join(tmpdir(), 'linstor_un-user-'));
    program = join(home, 'linstor_un');
    cpSync(ownBinary(), program);
    for (const path of [home, frontEnd.root]) chmodSync(path, 0o755);
  });
  afterAll(() => {
    frontEnd.remove();
    rmSync(home, { recursive: true, force: true });
  });

  const asUser = (...argv: string[]): { code: number; out: string; err: string } => {
    const { exitCode, stdout, stderr } = Bun.spawnSync([program, ...argv], {
      uid: 65534,
      gid: 65534,
      env: {
        PATH: process.env['PATH'] ?? '',
        LANG: 'C.UTF-8',
        ONE_LOCATION: frontEnd.path('/one'),
        HOME: home,
      },
    });
    return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
  };

  test.each(['install', 'upgrade', 'uninstall'])('%s says so, with the command that works', (command) => {
    const { code, out, err } = asUser(command, '--yes');
    expect([code, out]).toEqual([1, '']);
    expect(err).toStartWith(`linstor_un: ${command} needs the rights of root: `);
    expect(err).toContain('cannot be written by this user');
    expect(err).toMatch(new RegExp(`(?:sudo |su -c ').*/linstor_un ${command} --yes'? \\[PERMISSION\\]`));
    expect(err).not.toContain('defect');
  });

  test('--dry-run needs to read only, and says what it cannot', () => {
    const { code, err } = asUser('install', '--dry-run');
    expect(code).toBe(1);
    expect(err).toContain('etc/oned.conf cannot be read by this user');
  });

  test('doctor says it first', () => {
    const { code, out } = asUser('doctor', '--no-hosts');
    expect(code).toBe(2);
    expect(out.replaceAll(/\s+/g, ' ')).toMatch(
      /^Installation WARN \S+remotes: doctor does not run as root, who owns it/,
    );
  });
});

test('the command is quoted as a shell needs it', () => {
  const none = { PATH: '/nowhere' };
  expect(rootCommand(['/opt/my dir/linstor_un', 'install', '--yes'], none)).toBe(
    `su -c ''\\''/opt/my dir/linstor_un'\\'' install --yes'`,
  );
});
