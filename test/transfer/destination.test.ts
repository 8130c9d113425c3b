import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { DriverError } from '../../src/errors.ts';
import { isIn, parseIp, parseNetwork, reachOf } from '../../src/networks.ts';
import { parseMarketplaceHosts } from '../../src/opennebula/documents.ts';
import { parseSourceRule } from '../../src/opennebula/source-rule.ts';
import { type DestinationPolicy, permittedAddresses } from '../../src/transfer/destination.ts';
import { virtualSize } from '../../src/transfer/vsize.ts';
import { MiB, temporary } from './images.ts';

setDefaultTimeout(60_000);

const reach = (text: string): string => {
  const ip = parseIp(text);
  return ip ? reachOf(ip) : 'no address';
};

describe('addresses', () => {
  const cases: Record<string, readonly string[]> = {
    nearby: [
      '127.0.0.1',
      '127.255.255.254',
      '0.0.0.0',
      '0.1.2.3',
      '169.254.169.254',
      '224.0.0.1',
      '255.255.255.255',
      '240.0.0.1',
      '::',
      '::1',
      'fe80::1',
      'fe80::1%eth0',
      'ff02::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '64:ff9b::a9fe:a9fe',
      '2001:0:1::1',
      'fec0::1',
      '2002:a9fe:a9fe::1',
    ],
    inside: [
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '100.64.0.1',
      'fd00::1',
      'fc00::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      '2002:a00:1::1',
      '64:ff9b:1::a00:1',
      '198.18.0.1',
    ],
    public: [
      '8.8.8.8',
      '172.32.0.1',
      '100.128.0.1',
      '2a00::1',
      '2606:4700::1111',
      '::ffff:8.8.8.8',
      '64:ff9b::808:808',
    ],
    'no address': [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '256.1.1.1',
      '01.2.3.4',
      'localhost',
      ':::',
      '1::2::3',
      '12345::',
      '::1.2.3',
      '1:2:3:4:5:6:7:8:9',
    ],
  };
  for (const [expected, texts] of Object.entries(cases))
    for (const text of texts) test(`${text} is ${expected}`, () => expect(reach(text)).toBe(expected));

  test('networks hold what begins like them', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (text, prefix) => {
        const [ip, network] = [parseIp(text), parseNetwork(`${text}/${prefix}`)];
        expect(ip && network && isIn(ip, network)).toBe(true);
      }),
    );
    fc.assert(fc.property(fc.ipV6(), (text) => expect(parseIp(text)?.bits).toBe(128)));
    expect(parseNetwork('10.0.0.0/33')).toBeUndefined();
  });
});

const names: Record<string, readonly string[]> = {
  'rebind.example': ['127.0.0.1'],
  'metadata.example': ['169.254.169.254'],
  'market.corp': ['10.1.2.3'],
  'mixed.example': ['127.0.0.1', '93.184.215.14'],
  'controller.corp': ['10.9.9.9', '203.0.114.9'],
  'public.example': ['93.184.215.14'],
};
const policy = (allow = '', more: Partial<DestinationPolicy> = {}): DestinationPolicy => ({
  allow: allow
    .split(' ')
    .map(parseSourceRule)
    .filter((rule) => rule !== undefined),
  guarded: ['controller.corp'],
  marketplaces: async () => [],
  resolve: async (host) => names[host] ?? [],
  ...more,
});
const judged = async (url: string, of = policy()): Promise<string> => {
  try {
    return (await permittedAddresses(new URL(url), of)).join(' ');
  } catch (error) {
    if (error instanceof DriverError) return error.code;
    throw error;
  }
};

describe('where an image may be fetched', () => {
  test('this machine is not, however it is written', async () => {
    const own = Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).map(({ address }) => address),
    );
    const hosts = [
      '127.0.0.1',
      'localhost',
      '127.1',
      '0x7f.1',
      '2130706433',
      '017700000001',
      '0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::]',
      '127.0.0.1.',
      'rebind.example',
      'metadata.example',
      '169.254.169.254',
      '[fe80::1]',
      ...own
        .filter((address) => !address.includes('%'))
        .map((address) => (address.includes(':') ? `[${address}]` : address)),
    ];
    const resolve = async (host: string) =>
      host === 'localhost' ? ['::1', '127.0.0.1'] : (names[host] ?? []);
    for (const host of hosts)
      for (const allow of [
        '',
        'private',
        '127.0.0.0/8 ::/0 0.0.0.0/0',
        'localhost',
        '127.0.0.1 rebind.example',
      ])
        expect([host, allow, await judged(`http://${host}:8080/x`, policy(allow, { resolve }))]).toEqual([
          host,
          allow,
          'IMAGE_SOURCE',
        ]);
  });

  test('one service of this machine is, when it is named with its port', async () => {
    expect(await judged('http://127.0.0.1:8080/x', policy('127.0.0.1:8080'))).toBe('127.0.0.1');
    expect(await judged('http://rebind.example:8080/x', policy('rebind.example:8080'))).toBe('127.0.0.1');
    expect(await judged('http://[::1]:80/x', policy('[::1]:80'))).toBe('::1');
    expect(await judged('http://127.0.0.1:8081/x', policy('127.0.0.1:8080'))).toBe('IMAGE_SOURCE');
  });

  test('private servers are not, but for marketplaces and what is allowed', async () => {
    expect(await judged('http://market.corp/x')).toBe('IMAGE_SOURCE');
    expect(await judged('http://10.1.2.3/x')).toBe('IMAGE_SOURCE');
    expect(
      await judged('http://market.corp/x', policy('', { marketplaces: async () => ['market.corp'] })),
    ).toBe('10.1.2.3');
    for (const allow of ['private', '10.0.0.0/8', 'market.corp', '10.1.2.3:80', 'market.corp:80'])
      expect([allow, await judged('http://market.corp/x', policy(allow))]).toEqual([allow, '10.1.2.3']);
    expect(await judged('http://market.corp:81/x', policy('market.corp:80'))).toBe('IMAGE_SOURCE');
    expect(await judged('http://market.corp/x', policy('10.2.0.0/16'))).toBe('IMAGE_SOURCE');
  });

  test('hosts of LINSTOR and OpenNebula are not, nor their ports anywhere inside', async () => {
    for (const allow of ['', 'private', '10.0.0.0/8', 'controller.corp'])
      for (const host of ['controller.corp', '10.9.9.9', '203.0.114.9'])
        expect([allow, host, await judged(`http://${host}:3370/v1/nodes`, policy(allow))]).toEqual([
          allow,
          host,
          'IMAGE_SOURCE',
        ]);
    for (const port of [2633, 3370, 3371])
      expect(await judged(`http://10.8.8.8:${port}/`, policy('private 10.0.0.0/8'))).toBe('IMAGE_SOURCE');
    expect(await judged('http://10.8.8.8:3370/', policy('10.8.8.8:3370'))).toBe('10.8.8.8');
  });

  test('public servers are; of several addresses those that may be used', async () => {
    expect(await judged('https://public.example/x')).toBe('93.184.215.14');
    expect(await judged('https://mixed.example/x')).toBe('93.184.215.14');
    expect(await judged('http://unknown.example/x')).toBe('');
  });

  test('marketplaces by OpenNebula’s list', () => {
    const market = (attribute: string) =>
      `<MARKETPLACE><ID>0</ID><TEMPLATE>${attribute}</TEMPLATE></MARKETPLACE>`;
    const xml = `<MARKETPLACE_POOL>${market('<BASE_URL><![CDATA[http://Market.corp:8080/x]]></BASE_URL>')}${market('<ENDPOINT>https://s3.corp</ENDPOINT>')}${market('<ENDPOINT>nonsense</ENDPOINT>')}${market('')}</MARKETPLACE_POOL>`;
    expect(parseMarketplaceHosts(xml)).toEqual(['market.corp', 's3.corp']);
  });
});

describe('fetching', () => {
  let dir: string;
  let open: ReturnType<typeof Bun.serve>;
  let closed: ReturnType<typeof Bun.serve>;
  const seen: string[] = [];
  const trespasses: string[] = [];
  const image = new Uint8Array(2 * MiB).fill(7);
  beforeAll(() => {
    dir = temporary();
    closed = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: ({ url }) => {
        trespasses.push(url);
        return new Response(image);
      },
    });
    open = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        const { pathname, searchParams } = new URL(request.url);
        seen.push(`${request.headers.get('host')} ${pathname}`);
        const to = searchParams.get('to');
        const location = pathname === '/loop' ? '/loop' : to?.replace('CLOSED', `127.0.0.1:${closed.port}`);
        return location === undefined
          ? new Response(image)
          : new Response('moved', { status: 302, headers: { location } });
      },
    });
  });
  afterAll(async () => {
    await Promise.all([open.stop(true), closed.stop(true)]);
    rmSync(dir, { recursive: true, force: true });
  });
  const stat = async (path: string, hosts: Record<string, readonly string[]> = {}): Promise<string> => {
    const rules = [`127.0.0.1:${open.port}`, `image.example:${open.port}`].map(parseSourceRule);
    const addresses = {
      schemes: ['ssh', 'file'],
      ...policy(),
      allow: rules.filter((rule) => rule !== undefined),
      resolve: async (host: string) => hosts[host] ?? [],
    };
    try {
      const request = { path, policy: { safeDirs: [], restrictedDirs: ['/'] }, addresses };
      return String(await virtualSize(request, { stagingDir: dir }));
    } catch (error) {
      if (error instanceof DriverError) return error.code;
      throw error;
    }
  };

  test('a redirection is judged like the address itself, and never asked for when it is refused', async () => {
    const from = (to: string) => `http://127.0.0.1:${open.port}/?to=${encodeURIComponent(to)}`;
    expect(await stat(from('/image'))).toBe('2');
    expect(await stat(from(`http://127.0.0.1:${open.port}/image`))).toBe('2');
    for (const to of [
      'http://CLOSED/x',
      '//CLOSED/x',
      'file:///etc/passwd',
      'ssh://h:/x',
      'ftp://127.0.0.1/x',
      'http://[::1]:1/x',
      'http://2130706433:1/x',
      'http://rebind.example:1/',
      'gopher://CLOSED/x',
    ])
      expect([to, await stat(from(to), names)]).toEqual([to, 'IMAGE_SOURCE']);
    expect(trespasses).toEqual([]);
    expect(await stat(`http://127.0.0.1:${open.port}/loop`)).toBe('IMAGE_FETCH');
  });

  test('the address that was judged is the one that is used: a name is resolved once', async () => {
    let asked = 0;
    const answers = {
      get 'image.example'() {
        asked += 1;
        return ['127.0.0.1'];
      },
    };
    seen.length = 0;
    expect(await stat(`http://image.example:${open.port}/image`, answers)).toBe('2');
    expect(seen).toEqual([`image.example:${open.port} /image`]);
    expect(asked).toBe(1);
  });

  test('a name that only curl would know is not looked for by curl', async () => {
    expect(await stat(`http://localhost:${closed.port}/image`)).toBe('IMAGE_FETCH');
    expect(trespasses).toEqual([]);
  });
});
