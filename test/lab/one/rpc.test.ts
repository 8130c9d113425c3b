import { afterEach, beforeEach, expect, test } from 'bun:test';
import { emptyState, noSnapshots } from '../../../src/lab/one/model.ts';
import { type OneServer, serveOne } from '../../../src/lab/one/serve.ts';
import { MemoryStore } from '../../../src/lab/one/store.ts';

let server: OneServer;

beforeEach(() => {
  const state = emptyState('oneadmin:p<w>d', '6.10.0');
  state.hosts.push({ id: 0, name: 'host1', state: 2 });
  state.datastores.push({
    id: 100,
    name: 'images',
    type: 0,
    dsMad: 'linstor_un',
    tmMad: 'linstor_un',
    totalMb: 9,
    freeMb: 8,
    usedMb: 1,
    template: { DISK_TYPE: 'BLOCK', NOTE: 'a ]]> & <b>' },
  });
  state.images.push({
    id: 3,
    name: 'os',
    type: 0,
    persistent: false,
    persistentType: '',
    regtime: 1,
    source: '/dev/drbd/by-res/one-image-3/0',
    path: '',
    format: 'raw',
    fs: '',
    sizeMb: 7,
    state: 1,
    cloningId: -1,
    targetSnapshot: -1,
    datastoreId: 100,
    vms: [],
    template: {},
    snapshots: noSnapshots('NO'),
  });
  for (const id of [5, 6]) {
    state.vms.push({
      id,
      name: `vm${id}`,
      state: id === 6 ? 6 : 3,
      lcmState: 3,
      stime: 1,
      deployId: `one-${id}`,
      disks: [{ id: 0, attributes: { DISK_ID: '0', CLONE: 'YES' } }],
      nextDisk: 1,
      memoryMb: 64,
      template: {},
      snapshots: {},
      backup: {},
      history: [0, 1].map((seq) => ({
        seq,
        hostname: `host${seq}`,
        hostId: seq,
        datastoreId: 100,
        tmMad: 'linstor_un',
        stime: 1,
      })),
    });
  }
  server = serveOne({ store: new MemoryStore(state), location: '/var/lib/one/datastores' });
});
afterEach(() => server.stop());

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

async function ask(
  method: string,
  params: (string | number | boolean)[],
  session = 'oneadmin:p<w>d',
): Promise<{ text: string; values: string[] }> {
  const values = [session, ...params].map((value) => {
    const type = typeof value === 'number' ? 'int' : typeof value === 'boolean' ? 'boolean' : 'string';
    return `<param><value><${type}>${escaped(String(typeof value === 'boolean' ? Number(value) : value))}</${type}></value></param>`;
  });
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml' },
    body: `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${values.join('')}</params></methodCall>`,
  });
  const text = await response.text();
  const found = [
    ...text.matchAll(/<value><(string|boolean|i4|ex:i8)(?: [^>]*)?>([\s\S]*?)<\/\1><\/value>/g),
  ].map(([, , content = '']) =>
    content.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  );
  return { text, values: found };
}

test('a document comes as text within text, with all history of a VM', async () => {
  const { values } = await ask('one.vm.info', [5, true]);
  expect(values[0]).toBe('1');
  expect(values[1]).toStartWith('<VM><ID>5</ID>');
  expect([...(values[1] ?? '').matchAll(/<SEQ>/g)]).toHaveLength(2);
  Bun.XML.parse(values[1] ?? '');
});

test('CDATA ends and markup survive', async () => {
  const { values } = await ask('one.datastore.info', [100]);
  const document = Bun.XML.parse(values[1] ?? '') as {
    DATASTORE: { TEMPLATE: { NOTE: string }; BASE_PATH: string; IMAGES: { ID: string } };
  };
  expect(document.DATASTORE.TEMPLATE.NOTE).toBe('a ]]> & <b>');
  expect(document.DATASTORE.BASE_PATH).toBe('/var/lib/one/datastores/100');
  expect(document.DATASTORE.IMAGES.ID).toBe('3');
});

test('what is missing, and a wrong session, are failures with their codes', async () => {
  const missing = await ask('one.vm.info', [99]);
  expect(missing.values.slice(0, 4)).toEqual([
    '0',
    '[one.vm.info] Error getting virtual machine [99].',
    '1024',
    '99',
  ]);
  expect(missing.text).toContain('ex:i8');
  const refused = await ask('one.image.info', [3], 'oneadmin:other');
  expect(refused.values.slice(0, 3)).toEqual([
    '0',
    "[one.image.info] User couldn't be authenticated, aborting call.",
    '256',
  ]);
});

test('an unknown method and a body that is no call are faults', async () => {
  expect((await ask('one.vm.explode', [1])).text).toContain("Method 'one.vm.explode' not defined");
  const response = await fetch(server.url, { method: 'POST', body: 'hello' });
  expect(await response.text()).toContain('<fault>');
});

test('pools: VMs that are done only when asked for, disks only in the extended one', async () => {
  const ids = (text: string): string[] => [...text.matchAll(/<VM><ID>(\d+)/g)].map(([, id = '']) => id);
  const open = await ask('one.vmpool.infoextended', [-2, -1, -1, -1]);
  expect(ids(open.values[1] ?? '')).toEqual(['5']);
  expect(ids((await ask('one.vmpool.infoextended', [-2, -1, -1, -2])).values[1] ?? '')).toEqual(['5', '6']);
  expect(open.values[1]).toContain('<DISK>');
  expect((await ask('one.vmpool.info', [-2, -1, -1, -1])).values[1]).not.toContain('<DISK>');
  expect((await ask('one.hostpool.info', [])).values[1]).toContain('<NAME>host1</NAME><STATE>2</STATE>');
  expect((await ask('one.datastorepool.info', [])).values[1]).toStartWith(
    '<DATASTORE_POOL><DATASTORE><ID>100</ID>',
  );
  expect((await ask('one.system.version', [])).values[1]).toBe('6.10.0');
});
