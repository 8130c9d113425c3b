import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { casesOf } from '../../src/tools/faults/cases.ts';
import { prepare, runCase } from '../../src/tools/faults/run-case.ts';
import { scenarios } from '../../src/tools/faults/scenarios.ts';
import { FaultWorld } from '../../src/tools/faults/world.ts';
import { driverTarget } from '../support/lab.ts';

/**
 * A few rows of the fault matrix (`bun run faults` runs all of it): those that once failed, and one of each kind of fault. A
 * fault that no longer comes about is a failure too: the row would prove nothing.
 */
const rows: readonly { action: string; about: string; cases: readonly [call: RegExp, fault: string][] }[] = [
  {
    action: 'tm/clone',
    about: 'snapshot, replica on the host',
    cases: [
      [/POST .*\/spawn$/, 'answer lost'],
      [/POST .*\/spawn$/, 'truncated JSON'],
      [/POST .*\/spawn$/, 'SIGKILL after'],
      [/POST .*\/snapshots$/, 'answer lost'],
      [/POST .*\/snapshots$/, 'satellite fails'],
      [/POST .*snapshot-restore-resource/, 'answer lost'],
      [/POST .*snapshot-restore-resource/, '2xx with an error inside'],
      [/POST .*snapshot-restore-resource/, 'controller gone after'],
      [/POST .*snapshot-restore-resource/, 'SIGKILL after'],
      [/POST .*snapshot-restore-resource/, 'SIGTERM'],
      [/^one one\.vm\.info/, 'XML-RPC error'],
      [/^ssh /, 'answer lost'],
    ],
  },
  {
    action: 'tm/clone',
    about: 'snapshot, diskless on the host, larger',
    cases: [
      [/POST .*\/spawn$/, 'another takes over, having forgotten it'],
      [/POST .*snapshot-restore-resource/, 'another controller takes over'],
      [/POST .*snapshot-restore-resource/, 'another takes over, having forgotten the action'],
    ],
  },
  {
    action: 'tm/clone',
    about: 'copy, plain storage, another host',
    cases: [[/PUT .*key-value-store/, 'another takes over, having forgotten the action']],
  },
  {
    action: 'tm/ln',
    about: 'persistent, diskless on the host',
    cases: [
      [/make-available/, 'answer lost'],
      [/make-available/, 'SIGTERM'],
      [/^ssh /, 'refused'],
    ],
  },
  {
    action: 'tm/mkimage',
    about: 'ext4',
    cases: [
      // The link is there when the file system is made: it must not outlive its volume.
      [/^ssh node2 #2/, 'SIGTERM'],
      [/^ssh node2 #1/, 'answer lost'],
    ],
  },
  {
    action: 'datastore/snap_flatten',
    about: 'persistent image',
    cases: [
      [/PUT /, 'SIGKILL after'],
      [/DELETE .*snapshot-0/, 'controller gone after'],
    ],
  },
  {
    action: 'datastore/rm',
    about: 'image with a snapshot',
    cases: [
      [/DELETE .*\/snapshots\//, 'answer lost'],
      [/DELETE .*\/resource-definitions\/[^/]+$/, 'answer lost'],
    ],
  },
  {
    action: 'tm/prebackup_live',
    about: 'increment',
    cases: [
      [/snapshot\/multi/, 'answer lost'],
      [/snapshot\/multi/, 'SIGKILL after'],
    ],
  },
  {
    action: 'tm/restore',
    about: 'two disks, in place',
    cases: [
      [/snapshot\/multi/, 'SIGKILL after'],
      [/DELETE .*one-restore-0/, 'SIGTERM'],
    ],
  },
  {
    action: 'vmm/snapshot_create_linstor_un',
    about: 'three disks, drbd',
    cases: [
      [/snapshot\/multi/, 'answer lost'],
      [/snapshot\/multi/, 'SIGKILL after'],
      [/^ssh node\d #1/, 'SIGKILL after'],
    ],
  },
  {
    action: 'vmm/snapshot_revert_linstor_un',
    about: 'three disks, drbd',
    cases: [
      [/snapshot-rollback\//, 'SIGKILL after'],
      [/image-1\/snapshot-rollback\//, '2xx with an error inside'],
    ],
  },
  {
    action: 'tm/cpds',
    about: 'disk of a running VM',
    cases: [
      [/POST .*snapshot-restore-resource/, 'SIGKILL before'],
      // Of a snapshot that is there already volumes and replicas are restored in two calls.
      [/POST .*snapshot-restore-volume-definition/, 'truncated JSON'],
    ],
  },
  {
    action: 'tm/premigrate',
    about: 'clone and persistent disk',
    cases: [
      [/^ssh node1/, 'answer lost'],
      [/^ssh node2/, 'SIGKILL after'],
      [/^ssh node1/, 'SIGTERM'],
    ],
  },
];

let world: FaultWorld;
beforeAll(() => {
  world = new FaultWorld(driverTarget);
});
afterAll(async () => world.close());

describe('a fault leaves nothing behind, and the same call again succeeds', () => {
  test.each(rows)('$action: $about', async ({ action, about, cases }) => {
    const scenario = scenarios.find((each) => each.action === action && each.about === about);
    if (!scenario) throw new Error('there is no such scenario');
    const prepared = await prepare(world, scenario);
    const all = casesOf(prepared.footprint, { makesImage: scenario.makesImage ?? false });
    for (const [call, fault] of cases) {
      const chosen = all.find((each) => call.test(each.call) && each.fault === fault);
      if (!chosen) throw new Error(`no call ${call} with “${fault}”`);
      const { verdict, missed, findings } = await runCase(world, prepared, chosen);
      expect({ call: chosen.call, fault, verdict, missed, findings }).toEqual({
        call: chosen.call,
        fault,
        verdict: 'survived',
        missed: false,
        findings: [],
      });
    }
  });
});
