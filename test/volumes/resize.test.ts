import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../src/context.ts';
import { DriverError, toDriverError } from '../../src/errors.ts';
import { type ServedLab, serveLinstor } from '../../src/lab/linstor/serve.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { RestLinstor } from '../../src/linstor/rest/rest.ts';
import { type KiB, kib } from '../../src/units.ts';
import { type Growth, growSeen, growVolume } from '../../src/volumes/resize.ts';

const dir = mkdtempSync(join(tmpdir(), 'linstor_un-resize-'));
const MiB = (n: number): KiB => kib(n * 1024);
let served: ServedLab;
let linstor: Linstor;
let puts: string[] = [];
/** Milliseconds that were slept without being waited for. */
let ahead = 0;
/** At most so long is waited for in earnest. */
let patience = 20;

const ctx = {
  clock: {
    now: () => Date.now() + ahead,
    sleep: async (ms: number) => {
      ahead += ms;
      await Bun.sleep(Math.min(ms, patience));
    },
  },
  log: { debug: () => undefined, info: () => undefined, warn: () => undefined, call: () => undefined },
} as unknown as Context;

beforeAll(async () => {
  served = serveLinstor({ dir });
  linstor = new RestLinstor(
    { controllers: [served.url], transport: 'rest', linstorCommand: 'linstor' },
    {
      onCall: ({ verb }) => {
        if (verb.startsWith('PUT')) puts.push(verb);
      },
    },
  );
});
afterAll(async () => {
  await served.stop();
  rmSync(dir, { recursive: true, force: true });
});

const put = async (name: string, size: KiB): Promise<void> => {
  const path = `/v1/resource-definitions/${name}/volume-definitions/0`;
  const answer = await fetch(`${served.url}${path}`, { method: 'PUT', body: `{"size_kib":${size}}` });
  expect(answer.status).toBe(200);
};

let count = 0;
async function volume(replicas = 2): Promise<string> {
  count += 1;
  puts = [];
  const name = resourceName(`rd-${count}`);
  await linstor.spawn('DfltRscGrp', name, [MiB(48)], {
    filter: { placeCount: replicas, layers: ['DRBD', 'STORAGE'], providers: ['FILE_THIN'] },
  });
  return name;
}

const defined = async (name: string) =>
  (await linstor.definitions({ names: [resourceName(name)] }))[0]?.volumes[0];
async function device(name: string): Promise<number> {
  const [replica] = (await linstor.resources({ names: [resourceName(name)] })).filter(
    (each) => each.flags.length === 0,
  );
  return statSync(replica?.volumes[0]?.devicePath ?? '').size;
}
const bytes = (size: KiB): number => size * 1024;
const looking = (name: string, wanted: KiB) => async (_: Growth) => {
  if ((await device(name)) < bytes(wanted)) throw new DriverError('DEVICE_SIZE', 'too small');
};
const failure = (work: Promise<unknown>) => work.then(() => undefined, toDriverError);

describe('a resize', () => {
  test('that is called again while LINSTOR is at it waits for the first and adds nothing', async () => {
    const name = await volume();
    served.lab.setFaults([{ method: 'PUT', times: 1, fault: { kind: 'resize-late', seconds: 0.15 } }]);
    await put(name, MiB(53));
    await growSeen(ctx, linstor, resourceName(name), MiB(53), {}, looking(name, MiB(53)));
    expect(puts).toEqual([]);
    expect(await defined(name)).toMatchObject({ sizeKib: MiB(53), flags: ['DRBD_INITIALIZED'] });
    expect(await device(name)).toBeGreaterThanOrEqual(bytes(MiB(53)));
  });

  test('of a device that two overlapping ones have left behind brings it to its size', async () => {
    const name = await volume();
    served.lab.setFaults([{ method: 'PUT', times: 1, fault: { kind: 'resize-late', seconds: 0.05 } }]);
    await put(name, MiB(53));
    await put(name, MiB(57));
    await Bun.sleep(120);
    expect(await defined(name)).toMatchObject({ sizeKib: MiB(57), flags: ['DRBD_INITIALIZED'] });
    expect(await device(name)).toBeLessThan(bytes(MiB(57)));
    const growth = await growSeen(ctx, linstor, resourceName(name), MiB(57), {}, looking(name, MiB(57)));
    expect(await device(name)).toBeGreaterThanOrEqual(bytes(MiB(57)));
    expect(growth.after).toBe(MiB(61));
  });

  test('that has come to a halt with its flag set is made to go on by one step', async () => {
    const name = await volume();
    served.lab.setFaults([
      { method: 'PUT', times: 1, fault: { kind: 'satellite', node: 'alpha', message: 'x' } },
    ]);
    expect((await failure(linstor.resizeVolume(resourceName(name), 0, MiB(53))))?.code).toBe('LINSTOR_ERROR');
    served.lab.setFaults([]);
    expect((await defined(name))?.flags).toContain('RESIZE');
    await growVolume(ctx, linstor, resourceName(name), MiB(53));
    expect(await defined(name)).toMatchObject({ sizeKib: MiB(57), flags: ['DRBD_INITIALIZED'] });
  });

  test('is refused at once, and asked for nowhere, when a satellite is away', async () => {
    const name = await volume();
    const [replica] = await linstor.resources({ names: [resourceName(name)] });
    await served.lab.setConnection(replica?.node ?? '', 'OFFLINE');
    const error = await failure(growVolume(ctx, linstor, resourceName(name), MiB(53)));
    await served.lab.setConnection(replica?.node ?? '', 'ONLINE');
    expect(error?.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(error?.message).toContain(replica?.node ?? '?');
    expect(puts).toEqual([]);
    expect(await defined(name)).toMatchObject({ sizeKib: MiB(48) });
  });

  test('waits for no replica whose satellite goes meanwhile', async () => {
    const name = await volume();
    const view = await linstor.resources({ names: [resourceName(name)] });
    await served.lab.setConnection(view[0]?.node ?? '', 'OFFLINE');
    const start = ahead;
    const error = await failure(growVolume(ctx, linstor, resourceName(name), MiB(53), { view }));
    await served.lab.setConnection(view[0]?.node ?? '', 'ONLINE');
    expect(error?.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(ahead - start).toBeLessThan(5_000);
  });

  test('waits for a replica that is syncing, and not without end', async () => {
    const name = await volume();
    served.lab.setFaults([
      { method: 'PUT', times: 2, fault: { kind: 'code', code: 974, message: 'non-UpToDate' } },
    ]);
    expect((await growVolume(ctx, linstor, resourceName(name), MiB(53))).after).toBe(MiB(53));
    served.lab.setFaults([{ method: 'PUT', fault: { kind: 'code', code: 974, message: 'non-UpToDate' } }]);
    patience = 0;
    const error = await failure(growVolume(ctx, linstor, resourceName(name), MiB(54)));
    patience = 20;
    served.lab.setFaults([]);
    expect(error?.code).toBe('LINSTOR_NOT_UPTODATE');
  });
});
