import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/**
 * Whole lives of VMs as oned drives them, on the lab, with the compiled binary: after each operation the disks hold what
 * they must, at the end LINSTOR is empty. The same steps run for every layer stack, clone mode and transport.
 */
const variants = [
  { group: 'drbd', mode: 'snapshot', transport: 'rest', hosts: 'node' },
  { group: 'drbd', mode: 'copy', transport: 'rest', hosts: 'node' },
  { group: 'plain', mode: 'snapshot', transport: 'rest', hosts: 'node' },
  { group: 'plain', mode: 'copy', transport: 'rest', hosts: 'node' },
  { group: 'drbd', mode: 'snapshot', transport: 'cli', hosts: 'node' },
  { group: 'drbd', mode: 'snapshot', transport: 'rest', hosts: 'address' },
  { group: 'plain', mode: 'copy', transport: 'rest', hosts: 'address' },
  { group: 'plain', mode: 'snapshot', transport: 'rest', hosts: 'uname' },
  { group: 'drbd', mode: 'snapshot', transport: 'rest', hosts: 'full name' },
] as const;

/** What OpenNebula calls the host of a node of the lab. */
const hostNames = {
  node: (node: string) => node,
  address: (_: string, index: number) => `127.0.0.${11 + index}`,
  uname: (node: string) => `kvm-${node}`,
  'full name': (node: string) => `${node}.example.org`,
} as const;

const MiB = 1024 * 1024;

function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) {
    const trace = operation.calls.map(
      (call) => `${call.kind}/${call.action} ${call.argv.join(' ')} → ${call.exitCode} ${call.stderr}`,
    );
    throw new Error(`${operation.command}: ${operation.error}\n${trace.join('\n')}`);
  }
  return operation;
}

describe.each(variants)(
  '$group, CLONE_MODE=$mode, $transport, hosts by $hosts',
  ({ group, mode, transport, hosts }) => {
    let lab: TestLab;
    let images: number;
    let system: number;
    let image: number;
    let node: string;
    let host: string;
    let names: string[];
    let other: string;
    const content = randomBytes(3 * MiB);

    const link = (vm: number, disk: number, datastore = system): string =>
      join(lab.cluster.paths.location, String(datastore), String(vm), `disk.${disk}`);

    beforeAll(async () => {
      lab = await startLab();
      names = lab.renameHosts(hostNames[hosts]);
      if (hosts === 'uname')
        for (const [index, name] of lab.cluster.description.nodes.entries())
          await lab.linstor('PUT', `/v1/nodes/${name}`, {
            override_props: { NodeUname: names[index] ?? '' },
          });
      const template = {
        RESOURCE_GROUP: group,
        CLONE_MODE: mode,
        TRANSPORT: transport,
        SAFE_DIRS: lab.cluster.paths.images,
      };
      images = ok(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
      system = ok(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
      const path = join(lab.cluster.paths.images, 'image.raw');
      writeFileSync(path, Buffer.concat([content, Buffer.alloc(5 * MiB)]));
      image = ok(await lab.one.createImage({ name: 'image', datastore: images, path })).image;
      // Plain storage is used where it is; DRBD anywhere.
      const [replica] = (await lab.linstor('GET', `/v1/view/resources?resources=one-image-${image}`)) as {
        node_name: string;
      }[];
      const { nodes } = lab.cluster.description;
      node = replica?.node_name ?? '';
      host = names[nodes.indexOf(node)] ?? '';
      other = names.find((name) => name !== host) ?? '';
    });

    afterAll(async () => lab.stop());

    test('the datastores have room', () => {
      const [datastore] = lab.one.read().datastores;
      expect(datastore?.totalMb).toBe(group === 'plain' ? 3 * 8192 : 12 * 1024);
      expect(datastore?.freeMb).toBeGreaterThan(0);
    });

    test('a clone holds the image, is independent of it and goes without a trace', async () => {
      const { vm } = ok(
        await lab.one.instantiate({ name: 'a', disks: [{ image, sizeMb: 16 }] }, { host, datastore: system }),
      );
      expect(lab.digest(host, link(vm, 0), 8 * MiB)).toBe(
        new Bun.CryptoHasher('sha256').update(Buffer.concat([content, Buffer.alloc(5 * MiB)])).digest('hex'),
      );
      expect(Number(lab.on(host, `stat -Lc %s '${link(vm, 0)}'`))).toBeGreaterThanOrEqual(16 * MiB);
      lab.write(host, link(vm, 0), 0, 'CHANGED');
      const second = ok(
        await lab.one.instantiate({ name: 'b', disks: [{ image }] }, { host, datastore: system }),
      );
      expect(lab.digest(host, link(second.vm, 0), 3 * MiB)).toBe(
        new Bun.CryptoHasher('sha256').update(content).digest('hex'),
      );
      ok(await lab.one.terminate(vm));
      ok(await lab.one.terminate(second.vm));
      expect(await lab.definitions()).toEqual([`one-image-${image}`]);
      expect(await lab.snapshots()).toEqual([]);
    });

    test('a clone on a host without the image', async () => {
      const { vm } = ok(
        await lab.one.instantiate({ name: 'far', disks: [{ image }] }, { host: other, datastore: system }),
      );
      expect(lab.digest(other, link(vm, 0), 3 * MiB)).toBe(
        new Bun.CryptoHasher('sha256').update(content).digest('hex'),
      );
      ok(await lab.one.terminate(vm));
      expect(await lab.definitions()).toEqual([`one-image-${image}`]);
    });

    test('volatile disks, swap and context', async () => {
      const { vm } = ok(
        await lab.one.instantiate(
          {
            name: 'v',
            disks: [
              { volatile: 'fs', sizeMb: 16, fs: 'ext4' },
              { volatile: 'swap', sizeMb: 8 },
              { volatile: 'fs', sizeMb: 4 },
            ],
          },
          { host, datastore: system },
        ),
      );
      expect(lab.on(host, `/sbin/blkid -p -o value -s TYPE '${link(vm, 0)}'`).trim()).toBe('ext4');
      expect(lab.on(host, `/sbin/blkid -p -o value -s TYPE '${link(vm, 1)}'`).trim()).toBe('swap');
      expect(lab.digest(host, link(vm, 2), 4 * MiB)).toBe(
        new Bun.CryptoHasher('sha256').update(Buffer.alloc(4 * MiB)).digest('hex'),
      );
      ok(await lab.one.terminate(vm));
      expect(await lab.definitions()).toEqual([`one-image-${image}`]);
    });

    test('snapshots: live, cold, revert to both in turn, delete, save', async () => {
      const { vm } = ok(
        await lab.one.instantiate({ name: 's', disks: [{ image }] }, { host, datastore: system }),
      );
      lab.write(host, link(vm, 0), MiB, 'ZERO');
      ok(await lab.one.snapshotCreate(vm, 0, 'zero'));
      lab.write(host, link(vm, 0), MiB, 'LATE');
      ok(await lab.one.poweroff(vm));
      ok(await lab.one.snapshotCreate(vm, 0, 'one'));
      lab.write(host, link(vm, 0), MiB, 'LOST');
      ok(await lab.one.snapshotRevert(vm, 0, 0));
      expect(lab.read(host, link(vm, 0), MiB, 4)).toBe('ZERO');
      ok(await lab.one.snapshotRevert(vm, 0, 1));
      expect(lab.read(host, link(vm, 0), MiB, 4)).toBe('LATE');
      const saved = ok(await lab.one.saveAs(vm, 0, { name: 'saved', snapshot: 0 }));
      ok(await lab.one.snapshotDelete(vm, 0, 0));
      expect(await lab.snapshots()).toEqual([`one-vm-${vm}-disk-0/snapshot-1`]);
      ok(await lab.one.resume(vm));
      const live = ok(await lab.one.saveAs(vm, 0, { name: 'live' }));
      ok(await lab.one.terminate(vm));
      for (const [from, text] of [
        [saved.image, 'ZERO'],
        [live.image, 'LATE'],
      ] as const) {
        const check = ok(
          await lab.one.instantiate(
            { name: `from-${from}`, disks: [{ image: from }] },
            { host, datastore: system },
          ),
        );
        expect(lab.read(host, link(check.vm, 0), MiB, 4)).toBe(text);
        ok(await lab.one.terminate(check.vm));
        ok(await lab.one.deleteImage(from));
      }
      expect(await lab.definitions()).toEqual([`one-image-${image}`]);
      expect(await lab.snapshots()).toEqual([]);
    });

    test('a persistent image is never removed by a VM, whatever happens to the VM', async () => {
      const persistent = ok(
        await lab.one.createDatablock({ name: 'p', datastore: images, sizeMb: 8, persistent: true }),
      ).image;
      const resource = `one-image-${persistent}`;
      const [replica] = (await lab.linstor('GET', `/v1/view/resources?resources=${resource}`)) as {
        node_name: string;
      }[];
      const at = names[lab.cluster.description.nodes.indexOf(replica?.node_name ?? '')] ?? '';
      const first = ok(
        await lab.one.instantiate(
          { name: 'p1', disks: [{ image: persistent }] },
          { host: at, datastore: system },
        ),
      );
      lab.write(at, link(first.vm, 0), 4096, 'PRECIOUS');
      ok(await lab.one.recreate(first.vm));
      ok(await lab.one.deploy(first.vm, { host: at, datastore: system }));
      expect(lab.read(at, link(first.vm, 0), 4096, 8)).toBe('PRECIOUS');
      ok(await lab.one.recoverDelete(first.vm));
      expect(await lab.definitions()).toContain(resource);
      const second = ok(
        await lab.one.instantiate(
          { name: 'p2', disks: [{ image: persistent }] },
          { host: at, datastore: system },
        ),
      );
      expect(lab.read(at, link(second.vm, 0), 4096, 8)).toBe('PRECIOUS');
      ok(await lab.one.terminate(second.vm));
      ok(await lab.one.deleteImage(persistent));
      expect(await lab.definitions()).toEqual([`one-image-${image}`]);
    });

    test('growing, hot-plugging, growing again', async () => {
      const { vm } = ok(
        await lab.one.instantiate({ name: 'g', disks: [{ image }] }, { host, datastore: system }),
      );
      ok(await lab.one.resize(vm, 0, 24));
      expect(Number(lab.on(host, `stat -Lc %s '${link(vm, 0)}'`))).toBeGreaterThanOrEqual(24 * MiB);
      expect(lab.digest(host, link(vm, 0), 3 * MiB)).toBe(
        new Bun.CryptoHasher('sha256').update(content).digest('hex'),
      );
      const { disk } = ok(await lab.one.attach(vm, { image }));
      expect(lab.digest(host, link(vm, disk), 3 * MiB)).toBe(
        new Bun.CryptoHasher('sha256').update(content).digest('hex'),
      );
      ok(await lab.one.detach(vm, disk));
      ok(await lab.one.terminate(vm));
      expect(await lab.definitions()).toEqual([`one-image-${image}`]);
    });

    test.if(group === 'drbd')(
      'moves: cold, live there and back again, stop, undeploy, another system datastore',
      async () => {
        const away = ok(
          await lab.one.createDatastore({
            name: `away-${mode}`,
            type: 'SYSTEM',
            template: { RESOURCE_GROUP: group, TRANSPORT: transport },
          }),
        ).datastore;
        const { vm } = ok(
          await lab.one.instantiate(
            { name: 'm', disks: [{ image }, { volatile: 'fs', sizeMb: 4 }] },
            { host, datastore: system },
          ),
        );
        lab.write(host, link(vm, 0), 0, 'CLONE');
        lab.write(host, link(vm, 1), 0, 'VOLATILE');
        const intact = (at: string, datastore: number): void => {
          expect(lab.read(at, link(vm, 0, datastore), 0, 5)).toBe('CLONE');
          expect(lab.read(at, link(vm, 1, datastore), 0, 8)).toBe('VOLATILE');
          expect(lab.on(at, `cat '${link(vm, 2, datastore)}'`)).toContain('CONTEXT');
        };
        ok(await lab.one.migrate(vm, { host: other, datastore: system }, { poweroff: true }));
        intact(other, system);
        for (const to of [host, other, host]) {
          ok(await lab.one.liveMigrate(vm, { host: to, datastore: system }));
          intact(to, system);
        }
        ok(await lab.one.undeploy(vm));
        ok(await lab.one.deploy(vm, { host: other, datastore: system }));
        intact(other, system);
        ok(await lab.one.stop(vm));
        ok(await lab.one.deploy(vm, { host, datastore: system }));
        intact(host, system);
        ok(await lab.one.poweroff(vm));
        ok(await lab.one.migrate(vm, { host: other, datastore: away }));
        ok(await lab.one.resume(vm));
        intact(other, away);
        const props = (await lab.linstor('GET', `/v1/resource-definitions/one-vm-${vm}-disk-0`)) as {
          props: Record<string, string>;
        };
        expect(props.props['DrbdOptions/Net/allow-two-primaries']).toBeUndefined();
        expect(props.props['Aux/one/DS_ID']).toBe(String(away));
        ok(await lab.one.terminate(vm));
        expect(await lab.definitions()).toEqual([`one-image-${image}`]);
      },
    );

    test.if(group === 'plain')(
      'plain storage is never "attached" to another node: that would be a new, empty volume',
      async () => {
        const { vm } = ok(
          await lab.one.instantiate({ name: 'pl', disks: [{ image }] }, { host, datastore: system }),
        );
        const refused = await lab.one.liveMigrate(vm, { host: other, datastore: system });
        expect(refused.ok).toBe(false);
        expect(refused.error).toContain('NOT_REACHABLE_FROM_HOST');
        const view = (await lab.linstor('GET', `/v1/view/resources?resources=one-vm-${vm}-disk-0`)) as {
          node_name: string;
        }[];
        expect(view.map((replica) => replica.node_name)).toEqual([node]);
        expect(lab.digest(host, link(vm, 0), 3 * MiB)).toBe(
          new Bun.CryptoHasher('sha256').update(content).digest('hex'),
        );
        ok(await lab.one.terminate(vm));
      },
    );

    test('images: clone, snapshots after a persistent VM, delete; nothing is left', async () => {
      const copy = ok(await lab.one.cloneImage(image, 'copy')).image;
      const { vm } = ok(
        await lab.one.instantiate({ name: 'c', disks: [{ image: copy }] }, { host, datastore: system }),
      );
      expect(lab.digest(host, link(vm, 0), 3 * MiB)).toBe(
        new Bun.CryptoHasher('sha256').update(content).digest('hex'),
      );
      ok(await lab.one.terminate(vm));
      // Nobody is left attached to what nobody uses.
      const left = (await lab.linstor('GET', '/v1/view/resources')) as { flags?: string[] }[];
      expect(
        left.filter(({ flags = [] }) => flags.includes('DISKLESS') && !flags.includes('TIE_BREAKER')),
      ).toEqual([]);
      ok(await lab.one.deleteImage(copy));
      ok(await lab.one.deleteImage(image));
      expect(await lab.definitions()).toEqual([]);
      expect(await lab.snapshots()).toEqual([]);
      for (const name of lab.cluster.description.nodes)
        expect(
          lab.on(name, `ls '${join(lab.cluster.paths.location, String(system))}' 2>/dev/null || true`),
        ).toBe('');
    });
  },
);
