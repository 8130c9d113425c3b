import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readableVm } from '../../src/volumes/readable.ts';
import { Rig } from '../attributes/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.open();
});
afterAll(async () => rig.stop());

const propsOf = async (resource: string): Promise<Record<string, string>> =>
  (
    (await rig.lab.linstor('GET', `/v1/resource-definitions/${resource}`)) as {
      props?: Record<string, string>;
    }
  ).props ?? {};

test.each(['snapshot', 'copy', 'clone'])(
  'LINSTOR tells whose volumes they are, also of a disk by %s, and at no further round of its satellites',
  async (mode) => {
    const { image } = await rig.block({ RESOURCE_GROUP: 'drbd' });
    const ofImage = await propsOf(`one-image-${image}`);
    expect(ofImage['Aux/one/image']).toStartWith(`${image} `);
    expect(ofImage['Aux/one/image-owner']).toBe('oneadmin');
    const system = await rig.datastore('SYSTEM', { RESOURCE_GROUP: 'drbd', CLONE_MODE: mode });
    const { vm } = await rig.vm([{ image }], 'node1', system);
    const ofDisk = await propsOf(`one-vm-${vm}-disk-0`);
    expect(ofDisk['Aux/one/vm']).toStartWith(`${vm} `);
    expect(ofDisk['Aux/one/vm-owner']).toBe('oneadmin');
    await rig.one.terminate(vm);
  },
);

test('a name of a tenant is one printable line, and over the client there is none', () => {
  const vm = { id: 7, name: `a\n\u001b[2Jb${'x'.repeat(300)}`, ownerName: 'alice' };
  const over = (transport: 'rest' | 'cli') =>
    readableVm({ transport } as Parameters<typeof readableVm>[0], vm);
  expect(over('cli')).toEqual({});
  const { 'Aux/one/vm': text = '' } = over('rest');
  expect(text).toMatch(/^7 a \[2Jbx{10,}$/);
  expect(text.length).toBeLessThan(110);
});
