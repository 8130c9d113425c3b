import { describe, expect, test } from 'bun:test';
import type { Context } from '../../src/context.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import { Undo } from '../../src/undo.ts';
import { cloneBySnapshot } from '../../src/volumes/clone.ts';
import { FakeLinstor, refusal } from '../support/fake-linstor.ts';

const source = resourceName('one-image-3');

/** Snapshots can be taken and restored; they are deleted only if `deletes`. */
async function cloned(target: string, props: Record<string, string>, deletes: boolean) {
  const fake = new FakeLinstor({ nodes: ['host1'] });
  fake.add(source, ['host1']);
  const warnings: string[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    warn: (text: string) => warnings.push(text),
    call: () => {},
  };
  const ctx = {
    log,
    undo: new Undo(log as unknown as Context['log']),
    clock: { now: () => 0, sleep: async () => {} },
  } as unknown as Context;
  const done = async () => new Outcome([]);
  const own: Record<string, unknown> = {
    createSnapshot: done,
    restoreVolumes: done,
    restoreResources: done,
    deleteSnapshot: async () => {
      if (!deletes) throw refusal('DELETE', 998);
      return done();
    },
  };
  const linstor = new Proxy<Linstor>(fake, {
    get(real, key) {
      const method: unknown = own[String(key)] ?? Reflect.get(real, key);
      return typeof method === 'function' ? method.bind(real) : method;
    },
  });
  const { tidy } = await cloneBySnapshot(ctx, linstor, {
    source,
    replicas: await fake.resources({ names: [source] }),
    target: resourceName(target),
    plan: { group: 'DfltRscGrp', layers: [], unbalanced: false },
    props,
  });
  await tidy();
  return { mark: fake.props(target)['Aux/one/HELPER'], warnings };
}

describe('the helper snapshot of a clone', () => {
  const disk = { 'Aux/one/VM_ID': '7' };

  test('one that LINSTOR does not delete is told to the disk', async () => {
    const { mark, warnings } = await cloned('one-vm-7-disk-0', disk, false);
    expect(mark).toBe('yes');
    expect(warnings).toHaveLength(1);
  });

  test('one that is gone leaves no mark; nor does an image get one, which nobody reads', async () => {
    expect((await cloned('one-vm-7-disk-0', disk, true)).mark).toBeUndefined();
    expect((await cloned('one-image-9', {}, false)).mark).toBeUndefined();
  });
});
