import { describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDatastoreMessage } from '../../src/opennebula/message.ts';
import { readMigrationMessage } from '../../src/opennebula/migration-message.ts';
import { peakMemory, runMeasured } from '../../src/tools/bench/process.ts';
import { monitorCall } from '../../src/tools/bench/scale.ts';
import { findScript, idleArguments, idleMessage } from '../../src/tools/bench/start.ts';

function inDirectory<T>(work: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const clean = (): void => rmSync(directory, { recursive: true });
  try {
    const done = work(directory);
    if (done instanceof Promise) return done.finally(clean) as T;
    clean();
    return done;
  } catch (error) {
    clean();
    throw error;
  }
}

test('the idle action has a message that is read and asks for nothing: source and destination are one host', async () => {
  const call = {
    kind: 'tm',
    name: 'failmigrate',
    argv: idleArguments,
    stdin: () => Promise.resolve(idleMessage),
  } as const;
  const message = await readMigrationMessage(call);
  expect(message.sourceHost).toBe(message.destinationHost);
  expect(message.vm.disks).toHaveLength(1);
});

test.each(['6.0', '6.6', '7.2'] as const)(
  'the monitor action is asked for the usage of disks, as by OpenNebula %s',
  async (generation) => {
    const { argv, stdin } = monitorCall('linstor_un', { RESOURCE_GROUP: 'one' }, generation);
    const message = await readDatastoreMessage({
      kind: 'tm',
      name: 'monitor',
      argv,
      stdin: () => Promise.resolve(stdin),
    });
    expect(message.monitorVmDisks).toBe(true);
    expect(message.datastore.template['RESOURCE_GROUP']).toBe('one');
  },
);

describe('another driver’s script', () => {
  test('is found beside, in tm and in tm/NAME', () => {
    for (const folder of ['.', 'tm', 'tm/linstor']) {
      inDirectory((directory) => {
        mkdirSync(join(directory, folder), { recursive: true });
        writeFileSync(join(directory, folder, 'ln'), '');
        expect(findScript(directory, 'ln')).toBe(join(directory, folder, 'ln'));
      });
    }
  });

  test('that is missing is named', () => {
    inDirectory((directory) => expect(() => findScript(directory, 'ln')).toThrow('there is no ln'));
  });
});

describe('a measured process', () => {
  test('gets its input and tells its exit code', async () => {
    const measured = await runMeasured({
      argv: ['sh', '-c', 'cat; exit 3'],
      stdin: 'x y',
      env: { PATH: '/usr/bin:/bin' },
    });
    expect(measured).toMatchObject({ exitCode: 3, stdout: 'x y', stderr: '' });
  });

  test('has its own peak of memory and not that of the process which made it', () =>
    inDirectory(async (directory) => {
      const ballast = Buffer.alloc(200 * 2 ** 20, 1);
      const peak = await peakMemory({ argv: ['/bin/true'], env: {} }, directory);
      expect(ballast.length).toBeGreaterThan(0);
      // Undefined where GNU time is not installed.
      if (peak !== undefined) expect(peak).toBeLessThan(100);
    }));
});
