import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackupDisk } from '../../src/backup/disks.ts';
import type { Context } from '../../src/context.ts';
import { SshHosts } from '../../src/hosts/ssh.ts';
import type { Linstor, Snapshot } from '../../src/linstor/linstor.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import type { Settings } from '../../src/opennebula/settings.ts';
import { Undo } from '../../src/undo.ts';
import { takePoint } from '../../src/vm-snapshots/take-point.ts';
import type { SnapshotVm } from '../../src/vm-snapshots/vm-disks.ts';
import { vm } from '../cli/world.ts';
import { FakeLinstor, refusal } from '../support/fake-linstor.ts';

const dir = mkdtempSync(join(tmpdir(), 'linstor_un-point-'));
const journal = join(dir, 'journal');
writeFileSync(
  join(dir, 'virsh'),
  `#!/bin/sh\nshift 2\n[ "$1" != domstate ] || { echo running; exit 0; }\necho "$1" >>'${journal}'\n`,
);
chmodSync(join(dir, 'virsh'), 0o755);
afterAll(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(() => rmSync(journal, { force: true }));

const names = [0, 1, 2, 3, 4, 5].map((id) => resourceName(`one-vm-7-disk-${id}`));

/** A LINSTOR that writes every call into virsh's journal. */
function noting(answers: (Outcome | Error)[] = [], multiSnapshot = true): Linstor {
  const fake = new FakeLinstor({ nodes: ['host1', 'host2'] });
  for (const name of names) fake.add(name, ['host1', 'host2']);
  const taken: Snapshot[] = [];
  const take = async (list: readonly { resource: string; snapshot: string }[]): Promise<Outcome> => {
    const answer = answers.shift() ?? new Outcome([]);
    if (answer instanceof Error) throw answer;
    for (const { resource, snapshot } of list)
      taken.push({
        resource,
        name: snapshot,
        flags: ['SUCCESSFUL'],
        nodes: [],
        volumes: [],
        props: {},
      } as unknown as Snapshot);
    return answer;
  };
  const own: Record<string, unknown> = {
    capabilities: async () => ({ ...(await fake.capabilities()), multiSnapshot }),
    snapshots: async () => taken,
    createSnapshots: take,
    createSnapshot: (resource: string, snapshot: string) => take([{ resource, snapshot }]),
    deleteSnapshot: async () => new Outcome([]),
  };
  return new Proxy<Linstor>(fake, {
    get: (real, key) => {
      const value: unknown = own[String(key)] ?? Reflect.get(real, key);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        appendFileSync(journal, `linstor ${String(key)}\n`);
        return Reflect.apply(value, real, args);
      };
    },
  });
}

async function taken(linstor: Linstor): Promise<string[]> {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, call: () => {} };
  const undo = new Undo(log);
  const hosts = new (class extends SshHosts {
    override sshArgv(host: string, command: Parameters<SshHosts['sshArgv']>[1]): readonly string[] {
      return ['env', `PATH=${dir}:${process.env['PATH']}`, ...super.sshArgv(host, command)];
    }
  })({ ownName: 'host1' });
  const ctx = {
    log,
    undo,
    hosts,
    clock: { now: () => 0, sleep: async () => {} },
    lock: (_name: string, work: () => Promise<unknown>) => undo.within(work),
  } as unknown as Context;
  const disks = names.map((resource, id) => ({
    disk: { id },
    resource,
    view: [],
    snapshots: [],
    definition: { props: {} },
    canSnapshot: true,
  })) as unknown as BackupDisk[];
  const target: SnapshotVm = {
    vm: vm(7),
    place: { host: 'host1', directory: '/ds/0/7', systemDatastoreId: 0, whole: true },
    linstor,
    settings: { backupFreezeSeconds: 20 } as Settings,
    disks,
  };
  await takePoint(ctx, target, 'one-vm-7-snapshot-0');
  return existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : [];
}

/** What happened between these two lines, each time. */
function between(lines: readonly string[], from: string, to: string): string[][] {
  const parts: string[][] = [];
  let open: string[] | undefined;
  for (const line of lines) {
    if (line === from) open = [];
    else if (line === to && open) {
      parts.push(open);
      open = undefined;
    } else open?.push(line);
  }
  return parts;
}

describe('a snapshot of six disks', () => {
  test('the guest is frozen for exactly one call to LINSTOR', async () => {
    expect(between(await taken(noting()), 'domfsfreeze', 'domfsthaw')).toEqual([['linstor createSnapshots']]);
  });

  test('what LINSTOR refuses for now is waited for with the guest thawed', async () => {
    const lines = await taken(noting([refusal('POST', 979)]));
    expect(between(lines, 'domfsfreeze', 'domfsthaw')).toEqual([
      ['linstor createSnapshots'],
      ['linstor createSnapshots'],
    ]);
  });

  test('one after the other, where LINSTOR has no call for all: the guest is paused, so that they are of one moment', async () => {
    const [held] = between(await taken(noting([], false)), 'suspend', 'resume');
    expect(held).toEqual(names.map(() => 'linstor createSnapshot'));
  });
});
