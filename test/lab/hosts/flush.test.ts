import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { detectIsolation } from '../../../src/lab/hosts/hosts.ts';
import { startLab, type TestLab } from '../../support/lab.ts';

/** What a flush does on a real host: see docs of `sync-script.ts`. */
let lab: TestLab;
const device = { drbd: '', plain: '' };

beforeAll(async () => {
  lab = await startLab();
  for (const group of ['drbd', 'plain'] as const) {
    await lab.linstor('POST', `/v1/resource-groups/${group}/spawn`, {
      resource_definition_name: `${group}-volume`,
      volume_sizes: [4096],
    });
    const [first] = (await lab.linstor('GET', `/v1/view/resources?resources=${group}-volume`)) as {
      node_name: string;
      volumes: { device_path: string }[];
    }[];
    device[group] = first?.volumes[0]?.device_path ?? '';
  }
});
afterAll(() => lab.stop());

function run(host: string, command: string): { code: number; stderr: string } {
  const { exitCode, stderr } = Bun.spawnSync([join(lab.cluster.paths.bin, 'ssh'), host, command], {
    stdin: 'ignore',
    env: lab.cluster.driverEnv(),
  });
  return { code: exitCode, stderr: stderr.toString() };
}

/** The nodes that the reported paths are of. */
const hostOf = (path: string): string => path.split('/').at(-2) ?? '';

describe('a DRBD device that nobody has open', () => {
  test('refuses a flush through a descriptor for reading', () => {
    const refused = { code: 1, stderr: `sync: error syncing '${device.drbd}': Input/output error\n` };
    expect(run(hostOf(device.drbd), `sync ${device.drbd}`)).toEqual(refused);
    expect(run(hostOf(device.drbd), `sync -d -- ${device.drbd}`)).toEqual(refused);
  });

  test('takes one through a descriptor for writing, or while it is Primary there', () => {
    const host = hostOf(device.drbd);
    expect(run(host, `dd if=/dev/null of=${device.drbd} conv=nocreat,notrunc,fsync status=none`).code).toBe(
      0,
    );
    expect(run(host, `exec 9<>${device.drbd}; sync ${device.drbd}`).code).toBe(0);
    expect(run(host, `exec 9<${device.drbd}; sync ${device.drbd}`).code).toBe(1);
  });
});

test.skipIf(detectIsolation() === 'none')(
  'without quorum nobody opens it for writing; others do',
  async () => {
    const host = hostOf(device.drbd);
    const write = (at: string, path: string) =>
      run(at, `dd if=/dev/zero of=${path} bs=512 count=1 conv=nocreat,notrunc status=none`);
    await lab.linstor('POST', '/lab/strike', { kind: 'starved', node: host });
    const refused = write(host, device.drbd);
    expect([refused.code, refused.stderr.includes('Read-only file system')]).toEqual([1, true]);
    expect(run(host, `head -c 512 ${device.drbd} >/dev/null`).code).toBe(0);
    expect(write(hostOf(device.plain), device.plain).code).toBe(0);
    const list = (await lab.linstor('GET', '/v1/view/resources?resources=drbd-volume')) as {
      node_name: string;
      layer_object: { drbd: { may_promote: boolean } };
    }[];
    expect(
      list.map((item) => [item.node_name === host, item.layer_object.drbd.may_promote]).toSorted(),
    ).toEqual([
      [false, true],
      [false, true],
      [true, false],
    ]);
    await lab.linstor('POST', '/lab/mend', { node: host });
    expect(write(host, device.drbd).code).toBe(0);
  },
);

test('plain storage and files are as they are', () => {
  const host = hostOf(device.plain);
  expect(run(host, `sync ${device.plain}`).code).toBe(0);
  expect(run(host, 'echo x >file && sync file && sync -f file').code).toBe(0);
  expect(run(host, 'sync no-such-file').code).toBe(1);
});
