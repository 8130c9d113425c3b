import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { whileFrozen } from '../../../src/actions/tm/snap-create-live.ts';
import type { Context, Log } from '../../../src/context.ts';
import { SshHosts } from '../../../src/hosts/ssh.ts';
import { Undo } from '../../../src/undo.ts';

/** A virsh that writes down what it was asked for; `fail` names the command that fails. */
const virsh = `#!/bin/sh
shift 2
echo "$*" >>"$VIRSH_LOG"
[ "$1" != "$VIRSH_FAIL" ]
`;

let dir: string;
let journal: string;
const said: string[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'linstor_un-freeze-'));
  journal = join(dir, 'virsh.log');
  writeFileSync(join(dir, 'virsh'), virsh);
  chmodSync(join(dir, 'virsh'), 0o755);
});
beforeEach(() => {
  rmSync(journal, { force: true });
  said.length = 0;
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const calls = (): string[] => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []);

function context(fail: string): Context {
  const log: Log = {
    debug: () => {},
    info: (text) => said.push(text),
    warn: (text) => said.push(text),
    call: () => {},
  };
  const hosts = new (class extends SshHosts {
    override sshArgv(host: string, command: Parameters<SshHosts['sshArgv']>[1]): readonly string[] {
      const set = [`PATH=${dir}:${process.env['PATH']}`, `VIRSH_LOG=${journal}`, `VIRSH_FAIL=${fail}`];
      return ['env', ...set, ...super.sshArgv(host, command)];
    }
  })({ ownName: 'host1' });
  return { log, hosts, undo: new Undo(log) } as unknown as Context;
}

describe('the guest is frozen for the snapshot alone', () => {
  test('frozen before the work, thawed after it', async () => {
    const ctx = context('nothing');
    const during = await whileFrozen(ctx, 'host1', 'one-7', async () => calls());
    expect(during).toEqual(['domfsfreeze one-7']);
    expect(calls()).toEqual(['domfsfreeze one-7', 'domfsthaw one-7']);
    expect(said).toEqual([]);
    expect(ctx.undo.size).toBe(0);
  });

  test('thawed when the work fails', async () => {
    const failing = whileFrozen(context('nothing'), 'host1', 'one-7', () =>
      Promise.reject(new Error('no space')),
    );
    expect(await failing.catch((error: Error) => error.message)).toBe('no space');
    expect(calls()).toEqual(['domfsfreeze one-7', 'domfsthaw one-7']);
  });

  test('a guest that cannot be frozen is thawed all the same (it may have half succeeded) and snapshotted as it is', async () => {
    expect(await whileFrozen(context('domfsfreeze'), 'host1', 'one-7', async () => 'taken')).toBe('taken');
    expect(calls()).toEqual(['domfsfreeze one-7', 'domfsthaw one-7']);
    expect(said.join()).toContain('crash-consistent');
  });

  test('a thaw that fails is told to the operator, with the command', async () => {
    expect(await whileFrozen(context('domfsthaw'), 'host1', 'one-7', async () => 'taken')).toBe('taken');
    expect(said.join()).toContain('virsh domfsthaw one-7');
  });

  test('a VM that has no domain is not frozen', async () => {
    expect(await whileFrozen(context('nothing'), 'host1', '', async () => 'taken')).toBe('taken');
    expect(calls()).toEqual([]);
  });
});
