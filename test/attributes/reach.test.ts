import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { attributeNames, attributes } from '../../src/opennebula/attributes.ts';
import { forwarding, nodesOf, type Request, Rig } from './rig.ts';

/** Attributes about how LINSTOR is reached and how things are called there. */
let rig: Rig;
beforeAll(async () => {
  rig = await Rig.open();
});
afterAll(async () => rig.stop());

const serve = (requests: Request[]): ReturnType<typeof Bun.serve> =>
  Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: forwarding(rig.lab, requests) });

describe('LS_CONTROLLERS', () => {
  test('of the datastore goes before that of the client; one that is down is passed over', async () => {
    const requests: Request[] = [];
    const second = serve(requests);
    const dead = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    const { port } = dead;
    await dead.stop(true);
    try {
      const { resource, requests: elsewhere } = await rig.block({
        RESOURCE_GROUP: 'drbd',
        LS_CONTROLLERS: `http://127.0.0.1:${port},http://127.0.0.1:${second.port}`,
      });
      expect(elsewhere).toEqual([]);
      expect(requests.map(({ method, path }) => `${method} ${path}`)).toContain(
        'POST /v1/resource-groups/drbd/spawn',
      );
      expect(await rig.lab.definitions()).toContain(resource);
    } finally {
      await second.stop(true);
    }
  });
});

describe('LS_CERTFILE, LS_KEYFILE, LS_CAFILE', () => {
  const at = (name: string): string => join(rig.dir, name);
  const openssl = (...args: string[]): void => {
    const { success, stderr } = Bun.spawnSync(['openssl', ...args], { cwd: rig.dir, stderr: 'pipe' });
    if (!success) throw new Error(stderr.toString());
  };
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'] as const;

  test('a controller that asks for a certificate', async () => {
    openssl('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority');
    for (const name of ['server', 'client']) {
      const own = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'];
      openssl(
        'req',
        '-x509',
        ...ec,
        ...own,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
        '-subj',
        `/CN=${name}`,
      );
    }
    const requests: Request[] = [];
    const controller = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: forwarding(rig.lab, requests),
      tls: {
        cert: readFileSync(at('server.pem')),
        key: readFileSync(at('server.key')),
        ca: readFileSync(at('ca.pem')),
        requestCert: true,
        rejectUnauthorized: true,
      },
    });
    try {
      const template = { RESOURCE_GROUP: 'drbd', LS_CONTROLLERS: `https://127.0.0.1:${controller.port}` };
      const trusted = { ...template, LS_CAFILE: at('ca.pem') };
      const full = { ...trusted, LS_CERTFILE: at('client.pem'), LS_KEYFILE: at('client.key') };
      const { resource } = await rig.block(full);
      expect(requests.length).toBeGreaterThan(0);
      expect(await rig.lab.definitions()).toContain(resource);
      // Without the authority the controller is not trusted; without the certificate it does not let us in.
      const { LS_CAFILE: _, ...untrusted } = full;
      for (const less of [untrusted, trusted]) {
        requests.length = 0;
        await expect(rig.block(less)).rejects.toThrow(/LINSTOR_(TLS|AUTH|UNREACHABLE)/);
        expect(requests).toEqual([]);
      }
    } finally {
      await controller.stop(true);
    }
  });
});

describe('TRANSPORT', () => {
  test('cli reaches LINSTOR only with the client, rest without it', async () => {
    for (const transport of ['cli', 'rest'] as const) {
      const { programs, resource } = await rig.block({ RESOURCE_GROUP: 'drbd', TRANSPORT: transport });
      const started = programs.filter((line) => line.startsWith('linstor '));
      if (transport === 'cli') expect(started.length).toBeGreaterThan(0);
      else expect(started).toEqual([]);
      expect(await rig.lab.definitions()).toContain(resource);
    }
  });
});

describe('a wrong value', () => {
  /** Values that the attribute does not take; names and secrets that may hold anything are left out. */
  const wrong: Partial<Record<(typeof attributeNames)[number], string>> = {
    LS_CONTROLLERS: 'http://',
    LS_CERTFILE: 'client.pem',
    LS_KEYFILE: 'client.key',
    LS_CAFILE: 'ca.pem',
    LS_TOKEN_FILE: 'token',
    RESOURCE_GROUP: 'no such/name',
    NODE_LIST: 'node_1;rm',
    REPLICA_COUNT: '0',
    STORAGE_POOL: 'a/b',
    LAYER_LIST: 'DRBD,CHEESE',
    PROVIDERS: 'FLOPPY',
    REPLICAS_ON_SAME: '=b',
    REPLICAS_ON_DIFFERENT: '-a',
    DO_NOT_PLACE_WITH: 'a/b',
    DO_NOT_PLACE_WITH_REGEX: 'x'.repeat(1001),
    ENCRYPTION: 'perhaps',
    QUORUM: '2',
    ON_NO_QUORUM: 'wait',
    ON_NO_DATA_ACCESSIBLE: 'yes',
    ON_SUSPENDED_PRIMARY_OUTDATED: 'reconnect',
    QUORUM_TIE_BREAKER: 'perhaps',
    LINSTOR_PROPERTIES: 'StorDriver/LvcreateOptions=-an',
    CLONE_MODE: 'move',
    BRIDGE_LIST: 'host;rm',
    CHECKPOINT_REPLICA_COUNT: 'many',
    DISKLESS_POOL: 'a/b',
    PREFER_NODE: 'perhaps',
    LOCALITY: 'always',
    FOLLOW_VM: '30s',
    STAGING_DIR: 'var/tmp',
    RESTRICTED_DIRS: 'etc',
    SAFE_DIRS: 'images',
    ALLOW_SCHEMES: 'ssh:',
    ALLOW_SOURCES: 'http://x y',
    NO_DECOMPRESS: 'perhaps',
    BACKUP_DIFF: 'guess',
    BACKUP_FREEZE_SECONDS: '0',
    BACKUP_PARALLEL: 'all',
    ADOPT_ALLOW: 'a/b',
    LINSTOR_SNAPSHOTS: '24',
    VM_SNAPSHOT_MEMORY: 'perhaps',
    TRASH: 'always',
    TRASH_WHEN_FULL: 'perhaps',
    LIMIT_TRANSFER_BW: 'fast',
    TRANSPORT: 'pigeon',
    VERIFY: 'perhaps',
    COMPRESS_TRANSFER: 'perhaps',
  };
  const conf: readonly string[] = [
    'FENCE_COMMAND',
    'FENCE_TIMEOUT',
    'NAME_PREFIX',
    'NODE_MAP',
    'SHARED_LOCKS',
    'LS_TOKEN',
    'LS_USERNAME',
    'LS_PASSWORD',
  ];

  test('every attribute is looked at', () => {
    expect(attributeNames.filter((name) => !(name in wrong) && !conf.includes(name))).toEqual([]);
  });

  test.each(Object.entries(wrong))(
    '%s=%s names the attribute, the value and what is allowed',
    async (name, value) => {
      const image = (attributes[name as keyof typeof attributes].where as readonly string[]).includes(
        'image',
      );
      const { done, records } = await rig.watch(() =>
        rig.one.createDatastore({
          name: rig.name(),
          type: image ? 'IMAGE' : 'SYSTEM',
          template: { RESOURCE_GROUP: 'drbd', [name]: value },
        }),
      );
      expect(done.calls.map(({ exitCode }) => exitCode)).toEqual([1]);
      const { error, calls } = records.at(-1) ?? {};
      expect(error?.code).toBe('BAD_ATTRIBUTE');
      expect(error?.message).toContain(name);
      expect(error?.message).toContain(value.slice(0, 100));
      expect(error?.message).toContain(attributes[name as keyof typeof attributes].allowed);
      expect(calls).toEqual([]);
    },
  );
});

describe('for the whole site, in linstor_un.conf', () => {
  let site: Rig;
  beforeAll(async () => {
    site = await Rig.open('NAME_PREFIX="east_"\nNODE_MAP="kvm1=node1"\n');
    site.one.addHost('kvm1');
  });
  afterAll(async () => site.stop());

  test('NAME_PREFIX', async () => {
    const datastore = await site.datastore('IMAGE', { RESOURCE_GROUP: 'drbd' });
    const { done } = await site.watch(() =>
      site.one.createDatablock({ name: 'prefixed', datastore, sizeMb: 4 }),
    );
    expect(done.error).toBeUndefined();
    const system = await site.datastore('SYSTEM', { RESOURCE_GROUP: 'drbd', CLONE_MODE: 'snapshot' });
    const { vm } = await site.vm([{ image: done.image }, { volatile: 'fs', sizeMb: 4 }], 'node1', system);
    expect(await site.lab.definitions()).toEqual([
      `east_one-image-${done.image}`,
      `east_one-vm-${vm}-disk-0`,
      `east_one-vm-${vm}-disk-1`,
    ]);
    expect((await site.one.terminate(vm)).ok).toBe(true);
    expect((await site.one.deleteImage(done.image)).ok).toBe(true);
    expect(await site.lab.definitions()).toEqual([]);
  });

  test('NAME_PREFIX and NODE_MAP have no place in a datastore', async () => {
    for (const name of ['NAME_PREFIX', 'NODE_MAP'] as const) {
      const { done, records } = await rig.watch(() =>
        rig.one.createDatastore({
          name: rig.name(),
          type: 'IMAGE',
          template: { RESOURCE_GROUP: 'drbd', [name]: 'kvm1=node1' },
        }),
      );
      expect(done.calls.map(({ exitCode }) => exitCode)).toEqual([1]);
      expect(records.at(-1)?.error?.message).toContain(name);
    }
  });

  test('NODE_MAP: a host that LINSTOR knows by another name', async () => {
    const system = await site.datastore('SYSTEM', { RESOURCE_GROUP: 'plain' });
    const { vm, programs } = await site.vm([{ volatile: 'fs', sizeMb: 4 }], 'kvm1', system);
    const resource = `east_one-vm-${vm}-disk-0`;
    expect(nodesOf(await site.replicas(resource))).toEqual(['node1']);
    expect(programs.some((line) => / kvm1 /.test(line))).toBe(true);
    site.lab.write('node1', site.link(vm, 0, system), 0, 'MAPPED');
    expect(site.lab.read('node1', site.link(vm, 0, system), 0, 6)).toBe('MAPPED');
    expect((await site.one.terminate(vm)).ok).toBe(true);
    expect(await site.lab.definitions()).not.toContain(resource);
  });

  test('NODE_MAP: a copy between hosts, one of them known by another name', async () => {
    const images = await site.datastore('IMAGE', {
      RESOURCE_GROUP: 'plain',
      NODE_LIST: 'node1',
      BRIDGE_LIST: 'kvm1',
      SAFE_DIRS: site.dir,
    });
    const path = site.file('mapped.raw', Buffer.alloc(2 * 1024 * 1024, 'mapped'));
    const { done, records } = await site.watch(() =>
      site.one.createImage({ name: 'mapped', datastore: images, path }),
    );
    expect(done.error).toBeUndefined();
    const spoken = records.flatMap(({ calls }) => calls.filter(({ kind }) => kind === 'ssh'));
    expect([...new Set(spoken.map(({ target }) => target))]).toEqual(['kvm1']);
  });
});
