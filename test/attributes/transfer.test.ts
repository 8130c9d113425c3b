import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Operation } from '../../src/lab/one/oned.ts';
import { nodesOf, Rig, type Seen } from './rig.ts';

/** Attributes about bytes: where they may come from, by whom and how they are copied. */
let rig: Rig;
let server: ReturnType<typeof Bun.serve>;
const MiB = 1024 * 1024;
const content = randomBytes(3 * MiB);
const packed = gzipSync(content);
const group = { RESOURCE_GROUP: 'drbd' } as const;

beforeAll(async () => {
  rig = await Rig.open();
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ url }) => new Response(url.endsWith('.gz') ? packed : content),
  });
});
afterAll(async () => {
  await server.stop(true);
  await rig.stop();
});

const sha256 = (bytes: Buffer): string => new Bun.CryptoHasher('sha256').update(bytes).digest('hex');

async function importFrom(path: string, template: Readonly<Record<string, string>>) {
  const own = { SAFE_DIRS: rig.dir, ALLOW_SOURCES: `127.0.0.1:${server.port}` };
  const datastore = await rig.datastore('IMAGE', { ...group, ...own, ...template });
  return rig.watch(() => rig.one.createImage({ name: rig.name(), datastore, path }));
}

/** What the image's volume holds, read from a replica as plain bytes. */
async function digestOf(image: number, length: number): Promise<string> {
  const view = (await rig.lab.linstor('GET', `/v1/view/resources?resources=one-image-${image}`)) as {
    node_name: string;
    flags?: string[];
    volumes: { device_path: string }[];
  }[];
  const replica = view.find(({ flags = [] }) => !flags.includes('DISKLESS'));
  return rig.lab.digest(replica?.node_name ?? '', replica?.volumes[0]?.device_path ?? '', length);
}

const must = <T extends Operation>(seen: Seen<T>): Seen<T> => {
  if (!seen.done.ok) throw new Error(seen.done.error);
  return seen;
};

/** Hosts that were spoken to over ssh. */
const hostsOf = ({ records }: Pick<Seen<Operation>, 'records'>): string[] =>
  [
    ...new Set(
      records.flatMap(({ calls }) => calls.filter(({ kind }) => kind === 'ssh').map(({ target }) => target)),
    ),
  ].sort();

const url = (name: string): string => `http://127.0.0.1:${server.port}/${name}`;

describe('where images come from', () => {
  test('RESTRICTED_DIRS and SAFE_DIRS', async () => {
    const directory = join(rig.dir, 'restricted');
    mkdirSync(join(directory, 'safe'), { recursive: true });
    const path = rig.file('restricted/safe/image.raw', content);
    for (const template of [{ RESTRICTED_DIRS: directory }, { RESTRICTED_DIRS: '/' }, {}]) {
      const restricted = await importFrom(path, { SAFE_DIRS: '', ...template });
      expect(restricted.done.error).toContain('IMAGE_PATH');
    }
    const safe = must(
      await importFrom(path, { RESTRICTED_DIRS: directory, SAFE_DIRS: join(directory, 'safe') }),
    );
    expect(await digestOf(safe.done.image, content.length)).toBe(sha256(content));
    must(await importFrom(path, {}));
  });

  test('ALLOW_SOURCES and ALLOW_SCHEMES', async () => {
    const refused = await importFrom(url('image.raw'), { ALLOW_SOURCES: '' });
    expect(refused.done.error).toContain('IMAGE_SOURCE');
    expect(refused.programs.filter((line) => line.startsWith('curl '))).toEqual([]);
    const controller = await importFrom(`${rig.lab.served.linstor.url}/v1/nodes`, {
      ALLOW_SOURCES: 'private',
    });
    expect(controller.done.error).toContain('IMAGE_SOURCE');
    for (const template of [{}, { ALLOW_SCHEMES: 's3' }]) {
      const ssh = await importFrom('ssh://node1:/etc/hostname', template);
      expect(ssh.done.error).toContain('IMAGE_SOURCE');
      expect(hostsOf(ssh)).toEqual([]);
    }
  });

  test('NO_DECOMPRESS', async () => {
    const path = rig.file('image.raw.gz', packed);
    const unpacked = must(await importFrom(path, {}));
    expect(await digestOf(unpacked.done.image, content.length)).toBe(sha256(content));
    const asIs = must(await importFrom(path, { NO_DECOMPRESS: 'yes' }));
    expect(await digestOf(asIs.done.image, packed.length)).toBe(sha256(packed));
  });

  test('LIMIT_TRANSFER_BW', async () => {
    for (const limit of ['50M', undefined]) {
      const seen = must(await importFrom(url('image.raw'), limit ? { LIMIT_TRANSFER_BW: limit } : {}));
      expect(await digestOf(seen.done.image, content.length)).toBe(sha256(content));
      const fetched = seen.programs.filter((line) => line.startsWith('curl ') && line.includes('--proto'));
      expect(fetched.length).toBeGreaterThan(0);
      expect(fetched.some((line) => line.includes('--limit-rate 50M'))).toBe(limit !== undefined);
    }
    // What goes to another host as well: a second's worth, then a pause.
    for (const limit of ['1M', undefined]) {
      const template = limit ? { LIMIT_TRANSFER_BW: limit } : {};
      const seen = must(await importFrom(rig.file(`limit-${limit}.raw`, content), template));
      expect(await digestOf(seen.done.image, content.length)).toBe(sha256(content));
      const pauses = seen.programs.filter((line) => line.startsWith('sleep ')).length;
      expect(pauses > 0).toBe(limit !== undefined);
    }
  });

  test('STAGING_DIR', async () => {
    const staging = join(rig.dir, 'staging/below');
    const seen = must(await importFrom(url('image.raw.gz'), { STAGING_DIR: staging }));
    expect(await digestOf(seen.done.image, content.length)).toBe(sha256(content));
    // It was made and used, and nothing was left in it.
    expect(existsSync(staging)).toBe(true);
    expect(readdirSync(staging)).toEqual([]);
  });
});

describe('who copies, and how', () => {
  test('BRIDGE_LIST', async () => {
    for (const list of ['node4', 'node2']) {
      const seen = must(await importFrom(rig.file(`${list}.raw`, content), { BRIDGE_LIST: list }));
      expect(hostsOf(seen)).toEqual([list]);
      expect(await digestOf(seen.done.image, content.length)).toBe(sha256(content));
    }
    const refused = await importFrom(rig.file('none.raw', content), { BRIDGE_LIST: 'elsewhere' });
    expect(refused.done.error).toContain('NO_BRIDGE');
  });

  test.each(['rest', 'cli'])('BRIDGE_LIST decides where plain storage goes (%s)', async (TRANSPORT) => {
    for (const list of ['node4', 'node2', 'node3 node4']) {
      const template = { BRIDGE_LIST: list, RESOURCE_GROUP: 'plain', TRANSPORT };
      const seen = must(await importFrom(rig.file(`${list}.raw`, content), template));
      expect(list.split(' ')).toContain(hostsOf(seen)[0] ?? '');
      expect(await digestOf(seen.done.image, content.length)).toBe(sha256(content));
    }
  });

  test('an image of some size goes by NBD, on a connection of its own', async () => {
    const large = randomBytes(70 * MiB);
    const seen = must(await importFrom(rig.file('large.raw', large), {}));
    expect(await digestOf(seen.done.image, large.length)).toBe(sha256(large));
    const forwarding = seen.programs.filter((line) => line.includes('ExitOnForwardFailure=yes'));
    expect(forwarding).toHaveLength(1);
    expect(forwarding[0]).toContain('ControlPath=none');
    expect(unquoted(forwarding[0] ?? '')).toContain(
      'Ciphers=aes128-gcm@openssh.com,chacha20-poly1305@openssh.com',
    );
    expect(hostsOf(seen)).toHaveLength(1);
  });

  /** Arguments of the receiving script: device, what it is, reads zero, verify, unpacking program. */
  const receiver = (seen: Seen<Operation>): string | undefined =>
    seen.programs
      .filter((line) => line.startsWith('ssh '))
      .map((line) =>
        / linstor_un\S*\s+\S*drbd(?:\d+|\/by-res\/\S+)\s+drbd\s+\S+\s+\d+\s+\S*([01])\S*\s+\S*([01])\S*\s+\S*?([a-z-]+)/.exec(
          unquoted(line),
        ),
      )
      .find(Boolean)
      ?.slice(2)
      .join(' ');

  const unquoted = (line: string): string => line.replaceAll(/[\\']/g, '');

  test('VERIFY', async () => {
    const plain = must(await importFrom(rig.file('v1.raw', content), {}));
    const verified = must(await importFrom(rig.file('v2.raw', content), { VERIFY: 'yes' }));
    expect(receiver(plain)).toBe('0 -');
    expect(receiver(verified)).toBe('1 -');
    expect(await digestOf(verified.done.image, content.length)).toBe(sha256(content));
  });

  test('COMPRESS_TRANSFER', async () => {
    const seen = must(await importFrom(rig.file('c.raw', content), { COMPRESS_TRANSFER: 'yes' }));
    expect(receiver(seen)).toMatch(/^0 (zstd|lz4|gzip|pigz)$/);
    expect(await digestOf(seen.done.image, content.length)).toBe(sha256(content));
  });
});

describe('CLONE_MODE', () => {
  test.each([
    ['snapshot', ['/snapshots', '/snapshot-restore-resource']],
    ['copy', ['/spawn']],
    ['clone', ['/clone']],
  ] as const)('%s', async (mode, signs) => {
    const placement = { RESOURCE_GROUP: 'open', STORAGE_POOL: 'lvm' };
    const datastore = await rig.datastore('IMAGE', { ...placement, SAFE_DIRS: rig.dir });
    const { done } = must(
      await rig.watch(() =>
        rig.one.createImage({ name: rig.name(), datastore, path: rig.file(`${mode}.raw`, content) }),
      ),
    );
    const system = await rig.datastore('SYSTEM', { ...placement, CLONE_MODE: mode });
    const { vm, requests } = await rig.vm([{ image: done.image }], 'node1', system);
    // A spawn of definitions alone makes no replica.
    const wrote = requests
      .filter(({ method, body }) => method === 'POST' && !body.includes('"definitions_only":true'))
      .map(({ path }) => path);
    const all = ['/snapshots', '/snapshot-restore-resource', '/spawn', '/autoplace', '/clone'];
    const found = all.filter((sign) =>
      wrote.some((path) => path.endsWith(sign) || path.includes(`${sign}/`)),
    );
    expect(found).toEqual([...signs]);
    expect(rig.lab.digest('node1', rig.link(vm, 0, system), content.length)).toBe(sha256(content));
    expect(nodesOf(await rig.replicas(`one-vm-${vm}-disk-0`))).toHaveLength(2);
    must(await rig.watch(() => rig.one.terminate(vm)));
  });
});
