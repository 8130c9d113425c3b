import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { snapshotFrozen, whileFrozen } from '../../../src/actions/tm/snap-create-live.ts';
import type { Context } from '../../../src/context.ts';
import type { Log } from '../../../src/effects.ts';
import { type DriverError, toDriverError } from '../../../src/errors.ts';
import { SshHosts } from '../../../src/hosts/ssh.ts';
import type { Linstor } from '../../../src/linstor/linstor.ts';
import { Outcome } from '../../../src/linstor/outcome.ts';
import { Undo } from '../../../src/undo.ts';
import { LastingObstacle } from '../../../src/volumes/snapshot-ready.ts';
import { FakeLinstor, refusal } from '../../support/fake-linstor.ts';

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
  const clock = { now: () => Date.now(), sleep: async () => {} };
  return { log, hosts, clock, undo: new Undo(log) } as unknown as Context;
}

describe('the guest is frozen for the snapshot alone', () => {
  test('frozen before the work, thawed after it', async () => {
    const ctx = context('nothing');
    const during = await whileFrozen(ctx, 'host1', 'one-7', async () => calls());
    expect(during).toEqual(['domfsfreeze one-7']);
    expect(calls()).toEqual(['domfsfreeze one-7', 'domfsthaw one-7']);
    expect(said).toEqual([expect.stringMatching(/^one-7 was frozen for \d+\.\d s$/)]);
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

describe('what keeps LINSTOR from a snapshot is known before the guest is frozen', () => {
  const name = 'one-vm-7-disk-0';
  const disk = (linstor: Linstor) =>
    ({
      linstor,
      diskResource: { resource: name, ownedByVm: true },
      target: { host: 'host1' },
      vm: { deployId: 'one-7' },
    }) as unknown as Parameters<typeof snapshotFrozen>[1];

  /** `states`: of the disk, one for each look; `answers`: to each request for a snapshot, with what virsh had been asked by then. */
  function linstorOf(states: string[], answers: (Outcome | Error)[], props: Record<string, string> = {}) {
    const asked: string[][] = [];
    const fake = new FakeLinstor({ nodes: ['host1'] });
    fake.add(name, ['host1']);
    const own: Record<string, unknown> = {
      replicas: () => fake.replicas([name]),
      // Nor is it told that all are in sync.
      synced: async () => false,
      resources: async () =>
        (await fake.resources({ names: [name] })).map((replica) => ({
          ...replica,
          props,
          volumes: replica.volumes.map((volume) => ({
            ...volume,
            diskState: states.length > 1 ? states.shift() : states[0],
          })),
        })),
      snapshots: async () => [],
      createSnapshot: async () => {
        asked.push(calls());
        const answer = answers.shift() ?? new Outcome([]);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
    const linstor = new Proxy<Linstor>(fake, {
      get: (real, key) => own[String(key)] ?? Reflect.get(real, key),
    });
    return { linstor, asked };
  }

  test('a replica that syncs is waited for; then it is frozen for one call', async () => {
    const { linstor, asked } = linstorOf(['SyncTarget', 'Inconsistent', 'UpToDate'], []);
    await snapshotFrozen(context('nothing'), disk(linstor), 'snapshot-1');
    expect(asked).toEqual([['domfsfreeze one-7']]);
    expect(calls()).toEqual(['domfsfreeze one-7', 'domfsthaw one-7']);
    expect(said.join()).toContain('not in sync on host1 (SyncTarget)');
  });

  test('a disk that is not used is told at once, with its node and the command', async () => {
    const { linstor, asked } = linstorOf(['UpToDate'], [], { 'DrbdOptions/SkipDisk': 'True' });
    const failure = await snapshotFrozen(context('nothing'), disk(linstor), 'snapshot-1').catch(
      toDriverError,
    );
    expect(failure).toBeInstanceOf(LastingObstacle);
    expect((failure as LastingObstacle).message).toContain('on host1');
    expect((failure as LastingObstacle).remedy).toContain(
      `linstor resource set-property host1 ${name} DrbdOptions/SkipDisk`,
    );
    expect(asked).toEqual([]);
    expect(calls()).toEqual([]);
  });

  test('a refusal thaws at once, and it is frozen anew for another try, a few times at most', async () => {
    const busy = () => refusal('POST', 979);
    const once = linstorOf(['UpToDate'], [busy()]);
    await snapshotFrozen(context('nothing'), disk(once.linstor), 'snapshot-1');
    expect(once.asked).toEqual([
      ['domfsfreeze one-7'],
      ['domfsfreeze one-7', 'domfsthaw one-7', 'domfsfreeze one-7'],
    ]);
    const always = linstorOf(['UpToDate'], Array.from({ length: 9 }, busy));
    const failure = await snapshotFrozen(context('nothing'), disk(always.linstor), 'snapshot-1').catch(
      toDriverError,
    );
    expect((failure as DriverError).code).toBe('LINSTOR_NOT_UPTODATE');
    expect(always.asked).toHaveLength(3);
    expect(calls().at(-1)).toBe('domfsthaw one-7');
  });
});
