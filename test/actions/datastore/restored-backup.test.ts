import { describe, expect, test } from 'bun:test';
import { schemeOfRestore } from '../../../src/actions/restored-backup.ts';
import type { Context } from '../../../src/context.ts';
import { parseImage } from '../../../src/opennebula/documents.ts';
import type { DatastoreMessage } from '../../../src/opennebula/message.ts';
import type { Datastore, Image } from '../../../src/opennebula/one.ts';
import { datastoreType } from '../../../src/opennebula/states.ts';

const backup = (owner: number, ...sources: string[]): Image =>
  parseImage(
    `<IMAGE><ID>57</ID><UID>${owner}</UID><NAME>b</NAME><TYPE>6</TYPE><SIZE>1</SIZE><DATASTORE_ID>104</DATASTORE_ID><VMS><ID>7</ID></VMS><SOURCE>${sources.at(-1)}</SOURCE><BACKUP_INCREMENTS>${sources
      .map((source, id) => `<INCREMENT><ID>${id}</ID><SOURCE>${source}</SOURCE></INCREMENT>`)
      .join('')}</BACKUP_INCREMENTS></IMAGE>`,
  );
const made = (owner: number, from = '104'): Image =>
  parseImage(
    `<IMAGE><ID>60</ID><UID>${owner}</UID><NAME>r</NAME><TYPE>0</TYPE><SIZE>1</SIZE><TEMPLATE><FROM_BACKUP_DS>${from}</FROM_BACKUP_DS></TEMPLATE></IMAGE>`,
  );
const store = { id: 104, type: datastoreType.BACKUP, dsMad: 'rsync' } as Datastore;
const path = 'rsync://104/-/0:3a9b21,1:c41d22/var/lib/one/datastores/104/7/c41d22/disk.0.1';

const ask = (
  image: Image | undefined,
  backups: readonly Image[],
  over: { path?: string; store?: Datastore } = {},
): Promise<string | undefined> => {
  const one = { datastores: async () => [over.store ?? store], images: async () => backups };
  const message = { path: over.path ?? path, ...(image ? { image } : {}) };
  return schemeOfRestore({ one } as unknown as Context, message as DatastoreMessage);
};

describe('a restore of OpenNebula’s', () => {
  test('of one’s own backup, or by oneadmin, has its scheme', async () => {
    expect(await ask(made(3), [backup(3, '3a9b21', 'c41d22')])).toBe('rsync');
    expect(await ask(made(0), [])).toBe('rsync');
    expect(await ask(undefined, [])).toBe('rsync');
  });

  test('of somebody else’s backup has none, whatever the address says', async () => {
    expect(await ask(made(4), [backup(3, '3a9b21', 'c41d22')])).toBeUndefined();
    expect(await ask(made(4), [backup(3, '3a9b21', 'c41d22'), backup(4, '3a9b21')])).toBeUndefined();
  });

  test('reads no other file of the backup host by the ids of one’s own backup', async () => {
    const own = [backup(3, '3a9b21', 'c41d22')];
    const ids = 'rsync://104/-/0:3a9b21,1:c41d22';
    for (const other of [
      '/etc/shadow',
      '/var/lib/one/datastores/104/8/c41d22/disk.0.1',
      '/var/lib/one/datastores/104/7/ffffff/disk.0.1',
      '/var/lib/one/datastores/104/7/c41d22/../../8/0a0a0a/disk.0.1',
      '/var/lib/one/datastores/104/7/c41d22/vm.xml',
    ]) {
      expect(await ask(made(3), own, { path: `${ids}${other}` })).toBeUndefined();
    }
    expect(await ask(undefined, own, { path: `${ids}/etc/shadow` })).toBeUndefined();
  });

  test('needs the image to say so, and a backup datastore of that driver', async () => {
    const own = [backup(3, '3a9b21', 'c41d22')];
    expect(await ask(made(3, '105'), own)).toBeUndefined();
    expect(await ask(made(0), own, { store: { ...store, dsMad: 'restic' } })).toBeUndefined();
    expect(await ask(made(0), own, { store: { ...store, type: datastoreType.IMAGE } })).toBeUndefined();
    for (const other of ['ssh://104/-/a/b', 'rsync://host/-/a/b', 's3://104/-/a/b'])
      expect(await ask(made(0), own, { path: other })).toBeUndefined();
  });
});
