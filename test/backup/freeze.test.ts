import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FreezeWindow, whileHeld } from '../../src/backup/freeze.ts';
import type { Context } from '../../src/context.ts';
import type { Log } from '../../src/effects.ts';
import { SshHosts } from '../../src/hosts/ssh.ts';
import { Undo } from '../../src/undo.ts';

/** A virsh with one domain, which writes down what it was asked for; `VIRSH_FAIL` names a command that fails. */
const virsh = `#!/bin/sh
shift 2
if [ "$1" = domstate ]; then echo "$VIRSH_STATE"; exit 0; fi
echo "$*" >>"$VIRSH_LOG"
[ "$1" != "$VIRSH_FAIL" ] || { echo "told to fail" >&2; exit 1; }
`;

let dir: string;
let journal: string;
const said: string[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'linstor_un-held-'));
  writeFileSync(join(dir, 'virsh'), virsh);
  chmodSync(join(dir, 'virsh'), 0o755);
});
beforeEach(() => {
  // One of its own: the watchman of a guest that does not let go tries again for a while.
  journal = join(dir, `virsh-${crypto.randomUUID()}.log`);
  said.length = 0;
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const calls = (): string[] => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []);
const scriptPid = (): number => Number(readFileSync(join(dir, 'pid'), 'utf8'));

function context({ fail = '', state = 'running' } = {}): Context {
  const note = (text: string): void => {
    said.push(text);
  };
  const log: Log = { debug: () => {}, info: note, warn: note, call: () => {} };
  const hosts = new (class extends SshHosts {
    override sshArgv(host: string, command: Parameters<SshHosts['sshArgv']>[1]): readonly string[] {
      const set = [`PATH=${dir}:${process.env['PATH']}`, `VIRSH_LOG=${journal}`];
      set.push(`VIRSH_FAIL=${fail}`, `VIRSH_STATE=${state}`);
      const tell = ['bash', '-c', 'echo $$ >"$0"; exec "$@"', join(dir, 'pid')];
      return ['env', ...set, ...tell, ...super.sshArgv(host, command)];
    }
  })({ ownName: 'host1' });
  return { log, hosts, undo: new Undo(log) } as unknown as Context;
}

const held = (mode: FreezeWindow['mode'], seconds = 20): FreezeWindow => ({
  host: 'host1',
  domain: 'one-7',
  mode,
  seconds,
});

async function until(wanted: () => boolean): Promise<void> {
  for (let waited = 0; !wanted() && waited < 200; waited += 1) await Bun.sleep(50);
  expect(wanted()).toBe(true);
}

describe.each([
  ['AGENT', 'domfsfreeze one-7', 'domfsthaw one-7'],
  ['SUSPEND', 'suspend one-7', 'resume one-7'],
] as const)('%s', (mode, hold, go) => {
  test('held during the work, let go before it is over', async () => {
    const ctx = context();
    expect(await whileHeld(ctx, held(mode), async () => calls())).toEqual([hold]);
    expect(calls()).toEqual([hold, go]);
    expect(ctx.undo.size).toBe(0);
    expect(said).toEqual([]);
  });

  test('let go when the work fails', async () => {
    const failing = whileHeld(context(), held(mode), () => Promise.reject(new Error('no space')));
    expect(await failing.catch((error: Error) => error.message)).toBe('no space');
    expect(calls()).toEqual([hold, go]);
  });

  test('let go when the script on the host is killed', async () => {
    await whileHeld(context(), held(mode), async () => {
      process.kill(scriptPid(), 'SIGKILL');
      await until(() => calls().includes(go));
    });
    expect(calls()).toEqual([hold, go]);
  });

  test('let go when the time is up, and told', async () => {
    await whileHeld(context(), held(mode, 1), () => until(() => calls().includes(go)));
    expect(said.join()).toContain('BACKUP_FREEZE_SECONDS');
    expect(calls()).toEqual([hold, go]);
  });

  test('one that cannot be held is backed up as it is', async () => {
    const ctx = context({ fail: hold.split(' ')[0] ?? '' });
    expect(await whileHeld(ctx, held(mode), async () => 'taken')).toBe('taken');
    expect(said.join()).toContain('crash-consistent');
  });

  test('one that does not let go is told, with the command', async () => {
    const ctx = context({ fail: go.split(' ')[0] ?? '' });
    await whileHeld(ctx, held(mode), async () => undefined);
    expect(said.join()).toContain(`virsh ${go}`);
  });

  test('one that somebody else has paused stays as it is', async () => {
    await whileHeld(context({ state: 'paused' }), held(mode), async () => undefined);
    expect(calls()).toEqual([]);
    expect(said.join()).toContain('the domain is paused');
  });
});

test('NONE, and a VM that does not run: no session at all', async () => {
  expect(await whileHeld(context(), held('NONE'), async () => 'done')).toBe('done');
  const { domain: _, ...off } = held('AGENT');
  expect(await whileHeld(context(), off, async () => 'done')).toBe('done');
  expect(calls()).toEqual([]);
  expect(existsSync(join(dir, 'pid')) ? scriptPid() > 0 : true).toBe(true);
});
