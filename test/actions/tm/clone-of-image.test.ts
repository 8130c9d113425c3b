import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { imageState } from '../../../src/opennebula/states.ts';
import { startLab, type TestLab } from '../../support/lab.ts';

setDefaultTimeout(120_000);

/** An image whose last mark LINSTOR has forgotten: its controller was killed right after it had answered. */
let lab: TestLab;
let image: number;
let system: number;
const mark = 'Aux/one/INCOMPLETE';

beforeAll(async () => {
  lab = await startLab();
  const template = { RESOURCE_GROUP: 'drbd', SAFE_DIRS: lab.cluster.paths.images };
  const images = await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template });
  system = (await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  image = (
    await lab.one.createDatablock({
      name: 'image',
      datastore: images.datastore,
      sizeMb: 8,
      persistent: false,
    })
  ).image;
});
afterAll(() => lab.stop());

const props = async (): Promise<Record<string, string>> =>
  (
    (await lab.linstor('GET', `/v1/resource-definitions/one-image-${image}`)) as {
      props: Record<string, string>;
    }
  ).props;
const forget = () =>
  lab.linstor('PUT', `/v1/resource-definitions/one-image-${image}`, { override_props: { [mark]: 'import' } });
const instantiate = (name: string) =>
  lab.one.instantiate({ name, disks: [{ image }], context: false }, { host: 'node1', datastore: system });

test('is complete when OpenNebula has been told so', async () => {
  await forget();
  const vm = await instantiate('ready');
  expect(vm.ok).toBe(true);
  expect(Object.keys(await props())).not.toContain(mark);
  const clone = (await lab.linstor('GET', `/v1/resource-definitions/one-vm-${vm.vm}-disk-0`)) as {
    props: Record<string, string>;
  };
  expect(Object.keys(clone.props)).not.toContain(mark);
});

test('is none while OpenNebula does not know it to be', async () => {
  lab.served.linstor.lab.setFaults([{ method: 'POST', path: '/spawn$', fault: { kind: 'code', code: 998 } }]);
  const { vm } = await instantiate('locked');
  lab.served.linstor.lab.setFaults([]);
  await forget();
  lab.one.options.store.update(({ images }) => {
    for (const each of images) if (each.id === image) each.state = imageState.LOCKED;
  });
  const again = await lab.one.retry(vm);
  expect(again.ok).toBe(false);
  expect(again.error).toContain('is not complete');
  expect(Object.keys(await props())).toContain(mark);
});
