import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { datastoreXml, hostXml, vmXml } from '../../src/lab/one/documents.ts';
import { ownBinary } from '../../src/tools/own-binary.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/** The program as the scheduler calls it, with VMs that wait for a host, on three nodes with two replicas each. */
setDefaultTimeout(240_000);

let lab: TestLab;
const vms: number[] = [];
const groups: { images: number; image: number }[] = [];

beforeAll(async () => {
  lab = await startLab();
  for (const locality of ['prefer', 'require', 'off']) {
    const template = {
      RESOURCE_GROUP: 'drbd',
      SAFE_DIRS: lab.cluster.paths.images,
      CLONE_MODE: 'snapshot',
      LOCALITY: locality,
    };
    const images = await lab.one.createDatastore({ name: locality, type: 'IMAGE', template });
    const path = join(lab.cluster.paths.images, `${locality}.raw`);
    writeFileSync(path, Buffer.alloc(4 * 1024 * 1024, 'content'));
    const made = await lab.one.createImage({ name: locality, datastore: images.datastore, path });
    if (!made.ok) throw new Error(made.error);
    groups.push({ images: images.datastore, image: made.image });
  }
  for (const { image } of groups) vms.push(lab.one.createVm({ name: `vm${image}`, disks: [{ image }] }).vm);
});
afterAll(async () => lab?.stop());

const messageOf = (): string => {
  const state = lab.one.read();
  const ids = state.hosts.map(({ id }) => `<ID>${id}</ID>`).join('');
  const requirements = vms.map((id) => `<VM><ID>${id}</ID><HOSTS>${ids}</HOSTS><DATASTORES/></VM>`).join('');
  return `<SCHEDULER_DRIVER_ACTION><VM_POOL>${state.vms.map((vm) => vmXml(vm, { history: 'all' })).join('')}</VM_POOL><HOST_POOL>${state.hosts
    .map(hostXml)
    .join('')}</HOST_POOL><DATASTORE_POOL>${state.datastores
    .map((each) => datastoreXml(state, each, lab.one.options.location))
    .join('')}</DATASTORE_POOL><REQUIREMENTS>${requirements}</REQUIREMENTS></SCHEDULER_DRIVER_ACTION>`;
};

async function place(
  env: Record<string, string> = {},
): Promise<{ code: number; xml: string; error: string }> {
  const child = Bun.spawn([ownBinary(), 'place'], {
    env: { ...lab.one.options.env, ...env },
    cwd: lab.one.options.cwd,
    stdin: Buffer.from(`${Buffer.from(messageOf()).toString('base64')}\n`),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, xml: Buffer.from(out, 'base64').toString(), error };
}

const holders = async (image: number): Promise<number[]> => {
  const view = (await lab.linstor('GET', `/v1/view/resources?resources=one-image-${image}`)) as {
    node_name: string;
    flags?: string[];
  }[];
  const nodes = view
    .filter(({ flags = [] }) => !flags.includes('DISKLESS'))
    .map(({ node_name }) => node_name);
  return lab.one
    .read()
    .hosts.filter(({ name }) => nodes.includes(name))
    .map(({ id }) => id);
};

test('each VM’s hosts are told by where its image is; one that must be local has no other choice', async () => {
  const { code, xml, error } = await place();
  expect([code, error]).toEqual([0, '']);
  const [prefer = -1, require = -1, off = -1] = vms;
  for (const [index, vm] of [prefer, require].entries()) {
    const there = await holders(groups[index]?.image ?? -1);
    expect(there).toHaveLength(2);
    for (const [, id, host] of xml.matchAll(/<HOST><ID>(\d+)<\/ID>([\s\S]*?)<\/HOST>/g))
      expect(host).toContain(
        `<LINSTOR_UN_LOCAL_${vm}>${there.includes(Number(id)) ? 100 : 0}</LINSTOR_UN_LOCAL_${vm}>`,
      );
    expect(xml).toContain(`10000000 * LINSTOR_UN_LOCAL_${vm}`);
  }
  expect(xml).not.toContain(`LINSTOR_UN_LOCAL_${off}`);
  const choice = (vm: number): number =>
    new RegExp(`<VM><ID>${vm}</ID><HOSTS>(.*?)</HOSTS>`).exec(xml)?.[1]?.match(/<ID>/g)?.length ?? 0;
  expect([choice(prefer), choice(require), choice(off)]).toEqual([3, 2, 3]);
});

test('without LINSTOR it says so, and nothing on stdout', async () => {
  const { code, xml, error } = await place({ LS_CONTROLLERS: 'http://127.0.0.1:1' });
  expect([code, xml]).toEqual([1, '']);
  expect(error).toContain('LINSTOR_UNREACHABLE');
});
