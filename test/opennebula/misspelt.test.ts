import { describe, expect, test } from 'bun:test';
import { attributeNames, namesOf } from '../../src/opennebula/attributes.ts';
import { meantBy, misspeltIn } from '../../src/opennebula/misspelt.ts';
import { createContext } from '../../src/runtime.ts';

describe('attributes that look like ours', () => {
  test.each([
    ['REPLICA_COUT', 'REPLICA_COUNT'],
    ['REPLICAS_COUNT', 'REPLICA_COUNT'],
    ['ENCRYPTON', 'ENCRYPTION'],
    ['ENCRYPTED', 'ENCRYPTION'],
    ['ENCRYPT', 'ENCRYPTION'],
    ['ENCYRPTION', 'ENCRYPTION'],
    ['STORAGE_POOLS', 'STORAGE_POOL'],
    ['RESOURCEGROUP', 'RESOURCE_GROUP'],
    ['LS_CONTROLER', 'LS_CONTROLLERS'],
    ['LINSTOR_CONTROLLER', 'LS_CONTROLLERS'],
    ['RESTRICED_DIRS', 'RESTRICTED_DIRS'],
    ['CLONEMODE', 'CLONE_MODE'],
    ['encryption', 'ENCRYPTION'],
  ] as const)('%s: %s', (key, meant) => {
    expect(meantBy(key)).toBe(meant);
    expect(misspeltIn({ [key]: 'x' })).toMatchObject([{ key, meant }]);
  });

  test('what is ours, OpenNebula’s, of somebody else or without a value is none', () => {
    const names = attributeNames.flatMap(namesOf);
    expect(misspeltIn(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual([]);
    const others = [
      'DISK_TYPE',
      'REPLICA_HOST',
      'LN_TARGET_SSH',
      'COMPATIBLE_SYS_DS',
      'LIMIT_MB',
      'SCHED_RANK',
      'TEAM',
    ];
    expect(misspeltIn(Object.fromEntries(others.map((name) => [name, 'x'])))).toEqual([]);
    expect(misspeltIn({ ENCRYPTON: ' ' })).toEqual([]);
  });

  test('a name with our beginning is told, though nothing is like it', () => {
    expect(misspeltIn({ LINSTOR_WHATEVER_IT_IS: 'x' })).toEqual([
      { key: 'LINSTOR_WHATEVER_IT_IS', isDangerous: false },
    ]);
  });

  test('where data would be somewhere else, or fewer, is dangerous', () => {
    const dangerous = (key: string): boolean | undefined => misspeltIn({ [key]: 'x' })[0]?.isDangerous;
    expect([dangerous('ENCRYPTON'), dangerous('REPLICA_COUT'), dangerous('CLONE_MOD')]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

test('an action says it once, a monitor and a command for people do not', () => {
  const saidBy = (action: string): string[] => {
    const said: string[] = [];
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: (text: string) => said.push(text),
      call: () => undefined,
    };
    const config = { values: {}, linstorCommand: 'linstor', client: {}, ignored: [] };
    const context = createContext({ env: {}, log, signal: new AbortController().signal, action }, { config });
    const template = { ENCRYPTON: 'yes', RESOURCE_GROUP: 'one' };
    context.settings(template);
    context.settings(template);
    return said;
  };
  expect(saidBy('tm/clone')).toEqual([
    expect.stringContaining(
      'ENCRYPTON of the datastore is not an attribute of this driver and has no effect; ENCRYPTION',
    ),
  ]);
  expect(saidBy('datastore/monitor')).toEqual([]);
  expect(saidBy('linstor_un')).toEqual([]);
});
