import { describe, expect, test } from 'bun:test';
import { generateKeyPairSync } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { type DiskUsage, findMonitord, inBandLines } from '../../src/opennebula/monitord.ts';
import { monitorMessages, sendToMonitord } from '../../src/opennebula/monitord-datagrams.ts';
import { mib } from '../../src/units.ts';

const usage: DiskUsage[] = [
  { vmId: 7, diskId: 0, sizeMib: mib(120), snapshots: [{ id: 3, sizeMib: mib(40) }] },
  { vmId: 9, diskId: 1, sizeMib: mib(5), snapshots: [] },
  { vmId: 7, diskId: 2, sizeMib: mib(1), snapshots: [] },
];
const inner7 = 'DISK_SIZE=[ID=0,SIZE=120] SNAPSHOT_SIZE=[ID=3,DISK_ID=0,SIZE=40] DISK_SIZE=[ID=2,SIZE=1]';

/** What monitord does with a datagram (contract §6.2). */
function decode(message: string, decrypt: (data: Buffer) => Buffer = (data) => data): string {
  const match = /^MONITOR_VM SUCCESS -1 0 ([A-Za-z0-9+/=]+)\n$/.exec(message);
  return decrypt(inflateSync(Buffer.from(match?.[1] ?? '', 'base64'))).toString();
}

const inners = (text: string): string[] =>
  [...text.matchAll(/VM=\[ID=(\d+),MONITOR="([^"]*)"\]/g)].map(
    ([, id, data = '']) => `${id}: ${Buffer.from(data, 'base64')}`,
  );

describe('usage of VM disks', () => {
  test('up to 5.10 in the reply: one element a VM, all its disks in it', () => {
    expect(inBandLines(usage)).toEqual([
      `VM=[ID=7,POLL="${inner7}"]`,
      'VM=[ID=9,POLL="DISK_SIZE=[ID=1,SIZE=5]"]',
    ]);
  });

  test('since 5.12 as a datagram: several disks of one VM in one base64 block', () => {
    const [message = '', ...more] = monitorMessages(usage);
    expect(more).toEqual([]);
    expect(inners(decode(message))).toEqual([`7: ${inner7}`, '9: DISK_SIZE=[ID=1,SIZE=5]']);
  });

  test('encrypted when monitord has a key, in pieces that PKCS#1 v1.5 can take', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = publicKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    const folder = mkdtempSync(join(tmpdir(), 'linstor_un-monitord-'));
    const keyFile = join(folder, 'key.pem');
    writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const [message = ''] = monitorMessages(usage, pem);
    const decrypt = (data: Buffer): Buffer => {
      const parts: Buffer[] = [];
      for (let at = 0; at < data.length; at += 256) {
        // This runtime no longer decrypts PKCS#1 v1.5 itself.
        const openssl = [
          'openssl',
          'pkeyutl',
          '-decrypt',
          '-inkey',
          keyFile,
          '-pkeyopt',
          'rsa_padding_mode:pkcs1',
        ];
        parts.push(Bun.spawnSync(openssl, { stdin: data.subarray(at, at + 256) }).stdout);
      }
      return Buffer.concat(parts);
    };
    expect(inners(decode(message, decrypt))[0]).toBe(`7: ${inner7}`);
    rmSync(folder, { recursive: true });
  });

  test('no datagram is longer than UDP takes, and nothing is lost in the division', () => {
    const many: DiskUsage[] = Array.from({ length: 20_000 }, (_, vmId) => ({
      vmId,
      diskId: 0,
      sizeMib: mib((vmId * 7919) % 100_003),
      snapshots: [],
    }));
    const messages = monitorMessages(many);
    expect(messages.length).toBeGreaterThan(1);
    expect(Math.max(...messages.map((message) => message.length))).toBeLessThan(65_000);
    expect(messages.flatMap((message) => inners(decode(message)))).toHaveLength(20_000);
  });

  test('nothing to say, nothing sent', () => expect(monitorMessages([])).toEqual([]));

  test('arrives', async () => {
    const socket = createSocket('udp4');
    const received = new Promise<string>((resolve) =>
      socket.once('message', (data) => resolve(data.toString())),
    );
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', () => resolve()));
    await sendToMonitord({ host: '127.0.0.1', port: socket.address().port }, monitorMessages(usage));
    expect(inners(decode(await received))).toHaveLength(2);
    socket.close();
  });
});

describe('where monitord listens', () => {
  const conf = (network: string) => (path: string) =>
    path === '/etc/one/monitord.conf'
      ? `# NETWORK = [ PORT = 1 ]\n${network}\nPROBES_PERIOD = [ PORT = 2 ]\n`
      : undefined;

  test('its own configuration', () => {
    const text =
      'NETWORK = [\n  ADDRESS = "0.0.0.0",\n  MONITOR_ADDRESS = "10.0.0.5",\n  PORT = 4999,\n  PUBKEY = ""\n]';
    expect(findMonitord({}, conf(text))).toEqual({ host: '10.0.0.5', port: 4999 });
  });

  test('auto, and no file at all: this machine, the usual port', () => {
    expect(findMonitord({}, conf('NETWORK = [ MONITOR_ADDRESS = "auto" ]'))).toEqual({
      host: '127.0.0.1',
      port: 4124,
    });
    expect(findMonitord({}, () => undefined)).toEqual({ host: '127.0.0.1', port: 4124 });
  });

  test('a self-contained installation has its own', () => {
    const read = (path: string) =>
      path === '/opt/one/etc/monitord.conf' ? 'NETWORK = [ PORT = 5000 ]' : undefined;
    expect(findMonitord({ ONE_LOCATION: '/opt/one' }, read).port).toBe(5000);
  });
});
