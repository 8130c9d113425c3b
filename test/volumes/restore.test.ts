import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../src/context.ts';
import { DriverError, toDriverError } from '../../src/errors.ts';
import { type ServedLab, serveLinstor } from '../../src/lab/linstor/serve.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { RestLinstor } from '../../src/linstor/rest/rest.ts';
import { settled } from '../../src/linstor/retry-lost-replies.ts';
import { Undo } from '../../src/undo.ts';
import { kib } from '../../src/units.ts';
import { undisturbed } from '../../src/volumes/redo-after-restart.ts';
import { restoreSnapshot } from '../../src/volumes/restore.ts';
import { takeSnapshot } from '../../src/volumes/snapshot.ts';

const dir = mkdtempSync(join(tmpdir(), 'linstor_un-restore-'));
let served: ServedLab;
let linstor: Linstor;
let calls: string[] = [];
let ahead = 0;
const log = { debug: () => {}, info: () => {}, warn: () => {}, call: () => {} };

/** Nobody waits in earnest. */
const makeContext = (): Context & { undo: Undo } =>
  ({
    log,
    undo: new Undo(log),
    signal: new AbortController().signal,
    clock: {
      now: () => Date.now() + ahead,
      sleep: async (ms: number) => {
        ahead += ms;
      },
    },
  }) as unknown as Context & { undo: Undo };

beforeAll(() => {
  served = serveLinstor({ dir });
  linstor = settled(
    new RestLinstor(
      { controllers: [served.url], transport: 'rest', linstorCommand: 'linstor' },
      { onCall: ({ verb }) => calls.push(verb) },
    ),
  );
});
afterAll(async () => {
  await served.stop();
  rmSync(dir, { recursive: true, force: true });
});

const plan = { group: 'DfltRscGrp', layers: [], unbalanced: false };
const failure = (work: Promise<unknown>) => work.then(() => undefined, toDriverError);
const diskful = async (name: string) =>
  (await linstor.resources({ names: [resourceName(name)] })).filter((each) => each.flags.length === 0);

async function content(name: string, node: string): Promise<string> {
  const [replica] = await linstor.resources({ names: [resourceName(name)], nodes: [nodeName(node)] });
  return readFileSync(replica?.volumes[0]?.devicePath ?? '').toString('latin1', 0, 4);
}

let count = 0;
/** A volume with `data` in it, on two nodes, and where that is. */
async function volume(): Promise<{ name: string; nodes: string[] }> {
  count += 1;
  const name = resourceName(`src-${count}`);
  await linstor.spawn('DfltRscGrp', name, [kib(8192)], {
    filter: { placeCount: 2, layers: ['DRBD', 'STORAGE'] },
  });
  const replicas = await diskful(name);
  const file = openSync(replicas[0]?.volumes[0]?.devicePath ?? '', 'r+');
  writeSync(file, 'data', 0);
  closeSync(file);
  return { name, nodes: replicas.map((each) => each.node) };
}

const snapshots = '/snapshots$';

describe('a snapshot', () => {
  test('costs one call when nothing is amiss', async () => {
    const { name } = await volume();
    calls = [];
    await takeSnapshot(makeContext(), linstor, resourceName(name), 'snap');
    expect(calls).toEqual([`POST /v1/resource-definitions/${name}/snapshots`]);
  });

  test('that lacks a node which is needed is none', async () => {
    const { name, nodes } = await volume();
    await served.lab.setConnection(nodes[1] ?? '', 'OFFLINE');
    const error = await failure(
      takeSnapshot(makeContext(), linstor, resourceName(name), 'snap', { needs: nodes.map(nodeName) }),
    );
    const undemanding = await failure(takeSnapshot(makeContext(), linstor, resourceName(name), 'other'));
    await served.lab.setConnection(nodes[1] ?? '', 'ONLINE');
    expect(error?.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(error?.message).toContain(nodes[1] ?? '?');
    expect(undemanding).toBeUndefined();
  });

  test('is not waited for when the replica that is not in sync is away', async () => {
    const { name, nodes } = await volume();
    served.lab.setFaults([{ method: 'POST', path: snapshots, fault: { kind: 'code', code: 979 } }]);
    await served.lab.setConnection(nodes[0] ?? '', 'OFFLINE');
    const start = ahead;
    const error = await failure(takeSnapshot(makeContext(), linstor, resourceName(name), 'snap'));
    served.lab.setFaults([]);
    await served.lab.setConnection(nodes[0] ?? '', 'ONLINE');
    expect(error?.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(ahead - start).toBeLessThan(5_000);
  });
});

describe('a restore', () => {
  test('brings the content to every node, by three calls', async () => {
    const { name, nodes } = await volume();
    await takeSnapshot(makeContext(), linstor, resourceName(name), 'snap');
    calls = [];
    await restoreSnapshot(makeContext(), linstor, {
      from: resourceName(name),
      snapshot: 'snap',
      to: resourceName(`${name}-r`),
      plan,
      props: {},
    });
    expect(calls).toHaveLength(3);
    for (const node of nodes) expect(await content(`${name}-r`, node)).toBe('data');
  });

  test('that a satellite has missed fails, for what it makes at its return is empty', async () => {
    const { name, nodes } = await volume();
    const to = resourceName(`${name}-r`);
    await takeSnapshot(makeContext(), linstor, resourceName(name), 'snap');
    for (const node of nodes) await served.lab.setConnection(node, 'OFFLINE');
    const error = await failure(
      restoreSnapshot(makeContext(), linstor, {
        from: resourceName(name),
        snapshot: 'snap',
        to,
        plan,
        props: {},
      }),
    );
    for (const node of nodes) await served.lab.setConnection(node, 'ONLINE');
    expect(error?.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(error?.message).toContain(nodes[0] ?? '?');
    // What would have been used otherwise.
    expect(await content(to, nodes[0] ?? '')).toBe('\0\0\0\0');
  });

  test('is no failure when only the tie-breaker’s satellite is away', async () => {
    const { name, nodes } = await volume();
    const third = ['alpha', 'bravo', 'charlie'].find((node) => !nodes.includes(node)) ?? '';
    await takeSnapshot(makeContext(), linstor, resourceName(name), 'snap');
    await served.lab.setConnection(third, 'OFFLINE');
    const error = await failure(
      restoreSnapshot(makeContext(), linstor, {
        from: resourceName(name),
        snapshot: 'snap',
        to: resourceName(`${name}-r`),
        plan,
        props: {},
      }),
    );
    await served.lab.setConnection(third, 'ONLINE');
    expect(error).toBeUndefined();
    expect(await content(`${name}-r`, nodes[0] ?? '')).toBe('data');
  });

  test.each(['lose', 'drop'] as const)('whose answer is lost (%s) is created again', async (kind) => {
    const { name, nodes } = await volume();
    await takeSnapshot(makeContext(), linstor, resourceName(name), 'snap');
    served.lab.setFaults([
      {
        method: 'POST',
        path: 'snapshot-restore-resource',
        times: 1,
        fault: kind === 'lose' ? { kind } : { kind, when: 'before' },
      },
    ]);
    calls = [];
    await restoreSnapshot(makeContext(), linstor, {
      from: resourceName(name),
      snapshot: 'snap',
      to: resourceName(`${name}-r`),
      plan,
      props: {},
    });
    served.lab.setFaults([]);
    expect(calls.filter((verb) => verb.includes('snapshot-restore-resource'))).toHaveLength(2);
    expect(calls.filter((verb) => verb.startsWith('DELETE')).length > 0).toBe(kind === 'lose');
    expect(await diskful(`${name}-r`)).toHaveLength(2);
    for (const node of nodes) expect(await content(`${name}-r`, node)).toBe('data');
  });
});

describe('what is made while the controller goes', () => {
  const client = (...absences: number[]): Linstor =>
    ({ absences: async () => absences.shift() ?? 0 }) as unknown as Linstor;

  test('is taken back and made anew', async () => {
    const done: string[] = [];
    const ctx = makeContext();
    await undisturbed(ctx, client(0, 1, 1, 1, 1), 'x', async () => {
      ctx.undo.push('x', async () => done.push('taken back'));
      done.push('made');
      return {};
    });
    expect(done).toEqual(['made', 'taken back', 'made']);
  });

  test('and goes again fails, with everything taken back', async () => {
    const ctx = makeContext();
    let made = 0;
    const error = await failure(
      undisturbed(ctx, client(0, 1, 1, 1, 2), 'x', async () => {
        ctx.undo.push('x', async () => {
          made -= 1;
        });
        made += 1;
        return {};
      }),
    );
    expect([error?.code, made]).toEqual(['LINSTOR_UNREACHABLE', 0]);
  });

  test('fails as ever where the controller was there all the time', async () => {
    const ctx = makeContext();
    let tries = 0;
    const error = await failure(
      undisturbed(ctx, client(3, 3, 3), 'x', async () => {
        tries += 1;
        throw new DriverError('LINSTOR_NO_SPACE', 'full');
      }),
    );
    expect([error?.code, tries]).toEqual(['LINSTOR_NO_SPACE', 1]);
  });
});
