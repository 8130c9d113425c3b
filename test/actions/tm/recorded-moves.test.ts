import { describe, expect, test } from 'bun:test';
import { isSameHost, readMigrationMessage } from '../../../src/opennebula/migration-message.ts';
import { parseVmTarget, requireDiskTarget } from '../../../src/opennebula/target.ts';
import { readCheckpointMessage } from '../../../src/opennebula/vmm-message.ts';
import { checkpointSize } from '../../../src/volumes/checkpoint.ts';
import { asCall, recorded } from '../../opennebula/recorded-calls.ts';

/** What a real oned calls when it moves VMs: our readers take every one of them. */
describe('recorded calls', () => {
  const moves = recorded('tm', 'mv', 'mv.ssh');

  test('mv: a disk or a directory, the same at both ends, and the VM of the arguments', () => {
    expect(moves.length).toBeGreaterThan(100);
    let disks = 0;
    for (const { argv } of moves) {
      const [source, destination] = [parseVmTarget(argv[0], 'source'), parseVmTarget(argv[1], 'destination')];
      expect([source.kind, source.vmId]).toEqual([destination.kind, Number(argv[2])]);
      expect(destination.vmId).toBe(source.vmId);
      if (source.kind === 'disk') {
        disks += 1;
        expect(requireDiskTarget(argv[1], 'destination').diskId).toBe(source.diskId);
      } else {
        expect(source.kind).toBe('directory');
        // The directory comes with the system datastore it moves to.
        expect(destination.systemDatastoreId).toBe(Number(argv[3]));
      }
    }
    expect(disks).toBeGreaterThan(80);
  });

  test('context: the third word from the end is the place', () => {
    const contexts = recorded('tm', 'context');
    expect(contexts.length).toBeGreaterThan(20);
    for (const { argv } of contexts)
      expect(requireDiskTarget(argv.at(-3), 'destination').vmId).toBe(Number(argv.at(-2)));
  });

  test('premigrate, postmigrate and failmigrate, with and without a marker, also on one host', async () => {
    const calls = recorded('tm', 'premigrate', 'postmigrate', 'failmigrate');
    const messages = await Promise.all(calls.map((call) => readMigrationMessage(asCall(call))));
    expect(new Set(messages.map((message) => message.marker))).toEqual(new Set([undefined, 'ssh']));
    expect(messages.filter(isSameHost).length).toBeGreaterThan(0);
    for (const message of messages)
      expect(message.directory).toEndWith(`/${message.datastoreId}/${message.vmId}`);
  });

  test('save and restore', async () => {
    const calls = recorded('vmm', 'save', 'restore');
    expect(calls.length).toBeGreaterThan(8);
    for (const call of calls) {
      const message = await readCheckpointMessage(asCall(call));
      expect(message.checkpoint).toEndWith(`/${message.datastore.id}/${message.vmId}/checkpoint`);
      expect(checkpointSize(message.vm, false)).toBeGreaterThan(1024);
    }
  });
});
