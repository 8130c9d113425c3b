import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DriverError } from '../../../src/errors.ts';
import { resourceName } from '../../../src/linstor/names.ts';
import { RestLinstor } from '../../../src/linstor/rest/rest.ts';
import { loadTls } from '../../../src/linstor/rest/tls.ts';
import type { ControllerSettings } from '../../../src/opennebula/settings.ts';
import { type FakeController, fakeController, json, settingsFor } from '../fake-controller.ts';

let folder = '';
const at = (name: string) => join(folder, name);

function openssl(...args: string[]): void {
  const result = Bun.spawnSync(['openssl', ...args], { cwd: folder, stdout: 'pipe', stderr: 'pipe' });
  if (result.exitCode !== 0) throw new Error(`openssl ${args.join(' ')}: ${result.stderr.toString()}`);
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** An authority that signs itself. */
function authority(name: string, subject: string): void {
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
    '-days',
    '2',
    '-subj',
    `/CN=${subject}`,
  );
}

/** A key and a certificate for `name`, signed by our authority. */
function issue(name: string, ...more: string[]): void {
  openssl('req', '-new', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    `${name}.pem`,
    '-days',
    '2',
    ...more,
  );
}

let controller: FakeController;
let strict: FakeController;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'linstor-tls-'));
  authority('ca', 'test authority');
  authority('other', 'other authority');
  writeFileSync(at('names.ext'), 'subjectAltName=IP:127.0.0.1\n');
  issue('server', '-extfile', 'names.ext');
  issue('client');
  issue('stranger');
  writeFileSync(at('garbage.pem'), 'this is no certificate\n');
  const own = { cert: Bun.file(at('server.pem')), key: Bun.file(at('server.key')) };
  controller = fakeController(() => json('[]'), own);
  strict = fakeController(() => json('[]'), {
    ...own,
    ca: Bun.file(at('ca.pem')),
    requestCert: true,
    rejectUnauthorized: true,
  });
});

afterAll(async () => {
  await controller.stop();
  await strict.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function nodes(server: FakeController, more: Partial<ControllerSettings>): Promise<unknown> {
  const linstor = new RestLinstor(settingsFor([server.url], more), { deadlines: { failover: 0 } });
  return linstor
    .nodes()
    .catch((error: unknown) => (error instanceof DriverError ? `${error.code}: ${error.message}` : error));
}

describe('a controller with TLS', () => {
  test('is trusted by its authority', async () => {
    expect(await nodes(controller, { caFile: at('ca.pem') })).toEqual([]);
  });

  test('is not trusted without, nor by another one', async () => {
    const before = controller.seen.length;
    expect(await nodes(controller, {})).toMatch(/^LINSTOR_TLS: /);
    expect(await nodes(controller, { caFile: at('other.pem') })).toMatch(/^LINSTOR_TLS: /);
    expect(controller.seen).toHaveLength(before);
  });

  test('is not trusted because a variable says so', async () => {
    const module = join(import.meta.dir, '../../../src/linstor/rest/rest.ts');
    const text = `const { RestLinstor } = await import(process.argv[1]);
      const linstor = new RestLinstor(JSON.parse(process.argv[2]), { deadlines: { failover: 0 } });
      console.log(await linstor.nodes().then(() => 'trusted', (error) => error.code));`;
    const settings = JSON.stringify(settingsFor([controller.url], { caFile: at('other.pem') }));
    const child = Bun.spawn([process.execPath, '-e', text, module, settings], {
      env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_EXTRA_CA_CERTS: at('ca.pem') },
      stdout: 'pipe',
      stderr: 'ignore',
    });
    expect((await new Response(child.stdout).text()).trim()).toBe('LINSTOR_TLS');
  });

  test('that asks for a certificate gets ours', async () => {
    const pair = { certFile: at('client.pem'), keyFile: at('client.key') };
    expect(await nodes(strict, { caFile: at('ca.pem'), ...pair })).toEqual([]);
    expect(strict.seen).toHaveLength(1);
  });

  test('that asks for a certificate refuses us without one', async () => {
    const before = strict.seen.length;
    expect(await nodes(strict, { caFile: at('ca.pem') })).toMatch(/^LINSTOR_(TLS|UNREACHABLE): /);
    expect(strict.seen).toHaveLength(before);
  });

  test('redirects its plain port: the address is changed once, and the POST arrives whole', async () => {
    const created = '[{"ret_code":20447233,"message":"created"}]';
    const secure = fakeController(() => json(created), {
      cert: Bun.file(at('server.pem')),
      key: Bun.file(at('server.key')),
    });
    const location = `${secure.url}/v1/anything`;
    const plain = fakeController(() => new Response('', { status: 302, headers: { location } }));
    const linstor = new RestLinstor(settingsFor([plain.url], { caFile: at('ca.pem') }));
    await linstor.createDefinition({ name: resourceName('rd') });
    await linstor.createDefinition({ name: resourceName('rd2') });
    await Promise.all([plain.stop(), secure.stop()]);
    expect(plain.seen).toHaveLength(1);
    expect(secure.seen.map((one) => [one.path, one.body])).toEqual([
      ['/v1/resource-definitions', '{"resource_definition":{"name":"rd"}}'],
      ['/v1/resource-definitions', '{"resource_definition":{"name":"rd2"}}'],
    ]);
  });
});

describe('a bad file is named, before anything is sent', () => {
  const cases: readonly (readonly [string, () => Partial<ControllerSettings>, () => string])[] = [
    [
      'missing authority',
      () => ({ caFile: at('none.pem') }),
      () => `LS_CAFILE ${at('none.pem')} cannot be read (ENOENT)`,
    ],
    [
      'authority that is none',
      () => ({ caFile: at('garbage.pem') }),
      () => `LS_CAFILE ${at('garbage.pem')} holds no PEM certificate`,
    ],
    [
      'certificate that is none',
      () => ({ certFile: at('garbage.pem'), keyFile: at('client.key') }),
      () => `LS_CERTFILE ${at('garbage.pem')} holds`,
    ],
    [
      'key that is none',
      () => ({ certFile: at('client.pem'), keyFile: at('garbage.pem') }),
      () => `LS_KEYFILE ${at('garbage.pem')} holds no usable private key`,
    ],
    [
      'key of another certificate',
      () => ({ certFile: at('client.pem'), keyFile: at('stranger.key') }),
      () => `LS_KEYFILE ${at('stranger.key')} does not belong`,
    ],
    [
      'key alone',
      () => ({ keyFile: at('client.key') }),
      () => `LS_KEYFILE ${at('client.key')} is set without LS_CERTFILE`,
    ],
  ];
  test.each(cases)('%s', async (_name, more, words) => {
    const before = controller.seen.length;
    expect(await nodes(controller, more())).toContain(words());
    expect(controller.seen).toHaveLength(before);
  });

  test('a certificate that has run out', () => {
    const pair = { certFile: at('client.pem'), keyFile: at('client.key') };
    expect(loadTls(pair).cert).toContain('BEGIN CERTIFICATE');
    expect(() => loadTls(pair, Date.now() + 3 * 86_400_000)).toThrow(
      `LS_CERTFILE ${at('client.pem')} expired on`,
    );
  });

  test('certificate and key in one file', () => {
    const both = at('both.pem');
    writeFileSync(both, readFileSync(at('client.pem'), 'utf8') + readFileSync(at('client.key'), 'utf8'));
    expect(loadTls({ certFile: both }).key).toContain('PRIVATE KEY');
  });
});
