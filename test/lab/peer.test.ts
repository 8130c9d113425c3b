import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCluster } from '../../src/lab/cluster.ts';
import { serveCluster } from '../../src/lab/cluster-serve.ts';
import { userOfPeer } from '../../src/lab/peer.ts';

const ends = { remoteAddress: '127.0.0.1', remotePort: 40000, localPort: 3370 };

/** A line of /proc/net/tcp: the client's end, 127.0.0.1:40000 → 127.0.0.1:3370, unless said otherwise. */
const line = ({ local = '0100007F:9C40', state = '01', uid = 1000, inode = 77 } = {}): string =>
  `  12: ${local} 0100007F:0D2A ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;

describe('whose connection it is', () => {
  test('the user of the other end', () => {
    expect(userOfPeer(ends, line())).toBe(1000);
    expect(userOfPeer({ ...ends, remoteAddress: '::ffff:127.0.0.1' }, line())).toBe(1000);
    const mapped = line({ local: '0000000000000000FFFF00000100007F:9C40' });
    expect(userOfPeer(ends, mapped)).toBe(1000);
  });

  test('nobody’s: another address with the same port, a socket that was let go of, one that is not there', () => {
    expect(userOfPeer(ends, line({ local: '0200007F:9C40' }))).toBeUndefined();
    for (const state of ['04', '05', '06', '08'])
      expect(userOfPeer(ends, line({ state, uid: 0 }))).toBeUndefined();
    expect(userOfPeer(ends, line({ uid: 0, inode: 0 }))).toBeUndefined();
    expect(userOfPeer(ends, '')).toBeUndefined();
  });
});

const root = mkdtempSync(join(tmpdir(), 'lab-peer-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.skipIf(process.getuid?.() !== 0)('another user of this machine gets nothing of a lab', async () => {
  chmodSync(root, 0o755);
  const dir = join(root, 'lab');
  mkdirSync(dir, { mode: 0o755 });
  const served = await serveCluster(createCluster({ dir, nodes: ['node1'] }));
  try {
    const { linstorUrl, oneUrl } = served.cluster;
    const ask = async (url: string, ...user: string[]): Promise<string> => {
      const asked = Bun.spawn(
        [...user, 'curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--data', '', url],
        {
          stdout: 'pipe',
        },
      );
      return new Response(asked.stdout).text();
    };
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    for (const url of [`${linstorUrl}/lab/restart`, `${linstorUrl}/v1/resource-groups`, oneUrl]) {
      expect([url, await ask(url, ...nobody)]).toEqual([url, '403']);
      expect([url, (await ask(url)) === '403']).toEqual([url, false]);
    }
    expect(statSync(dir).mode & 0o777).toBe(0o700);
  } finally {
    await served.stop();
  }
});
