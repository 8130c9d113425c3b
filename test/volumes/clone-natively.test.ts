import { describe, expect, test } from 'bun:test';
import type { Context } from '../../src/context.ts';
import { toCapabilities } from '../../src/linstor/capabilities.ts';
import type { CloneSpec, Linstor } from '../../src/linstor/linstor.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import { Undo } from '../../src/undo.ts';
import { type CloneRequest, cloneNatively } from '../../src/volumes/clone.ts';
import { otherFirstReplica } from '../../src/volumes/first-replica.ts';
import { definition, diskless, replica } from '../cli/world.ts';
import { FakeLinstor } from '../support/fake-linstor.ts';

const target = resourceName('one-vm-7-disk-0');

/** Clones an image whose volume names `first`, with replicas on alpha and bravo and a diskless one on charlie. */
async function cloned(versions: readonly [string, string], first: string) {
  const calls: string[] = [];
  const specs: CloneSpec[] = [];
  class Cloning extends FakeLinstor {
    override capabilities() {
      return Promise.resolve(toCapabilities(...versions));
    }
    override clone(...[source, name, spec]: Parameters<Linstor['clone']> | []) {
      calls.push(`clone ${source} ${name}`);
      specs.push(spec ?? {});
      return Promise.resolve(new Outcome([]));
    }
    override cloneStatus() {
      calls.push('status');
      return Promise.resolve('COMPLETE' as const);
    }
    override modifyVolume(...[name, number, props]: Parameters<Linstor['modifyVolume']> | []) {
      calls.push(`volume ${name} ${number} ${JSON.stringify(props)}`);
      return Promise.resolve(new Outcome([]));
    }
  }
  const log = { debug: () => {}, info: () => {}, warn: () => {}, call: () => {} };
  const ctx = { log, undo: new Undo(log), clock: { now: () => 0, sleep: async () => {} } };
  const source = definition('one-image-3', {
    volumes: [
      {
        ...definition('x').volumes[0],
        number: 0,
        flags: [],
        props: { 'Linstor/Drbd/InitialUptoDateOn': first },
      } as never,
    ],
  });
  const request: CloneRequest = {
    source: source.name,
    replicas: [
      replica('one-image-3', 'alpha'),
      replica('one-image-3', 'bravo'),
      diskless('one-image-3', 'charlie'),
    ],
    target,
    plan: {
      group: 'one',
      layers: [],
      policy: { 'Clone/BalanceAfterClone': 'True' },
    } as unknown as CloneRequest['plan'],
    props: { 'Aux/one/VM_ID': '7' },
    first: (nodes) => otherFirstReplica(source, nodes),
  };
  await cloneNatively(ctx as unknown as Context, new Cloning({ nodes: ['alpha', 'bravo'] }), request);
  return { calls, set: specs[0]?.props?.set ?? {} };
}

describe('LINSTOR’s own clone', () => {
  test.each([
    ['1.33.3', '1.27.0'],
    ['1.34.0', '1.28.0'],
  ] as const)(
    'of an image with its first replica: as the administrator has it (%s)',
    async (server, rest) => {
      const { calls, set } = await cloned([server, rest], 'ALPHA');
      expect(set['Clone/BalanceAfterClone']).toBe('True');
      expect(calls).toEqual([`clone one-image-3 ${target}`, 'status']);
    },
  );

  test.each([
    ['1.33.3', '1.27.0', 'True'],
    ['1.34.0', '1.28.0', 'False'],
  ] as const)(
    'of an image that has left its first node gets none there that is empty (%s)',
    async (server, rest, balance) => {
      // A diskless replica is none, either.
      const { calls, set } = await cloned([server, rest], 'CHARLIE');
      expect(set['Clone/BalanceAfterClone']).toBe(balance);
      expect(calls).toEqual([
        `clone one-image-3 ${target}`,
        'status',
        `volume ${target} 0 {"Linstor/Drbd/InitialUptoDateOn":"alpha"}`,
      ]);
    },
  );
});
