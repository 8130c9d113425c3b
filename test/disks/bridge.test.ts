import { describe, expect, test } from 'bun:test';
import type { Context } from '../../src/context.ts';
import { attachForCopy } from '../../src/disks/bridge.ts';
import { DriverError, toDriverError } from '../../src/errors.ts';
import type { HostCommand } from '../../src/hosts/hosts.ts';
import { resourceName } from '../../src/linstor/names.ts';
import type { Settings } from '../../src/opennebula/settings.ts';
import { Undo } from '../../src/undo.ts';
import { kib } from '../../src/units.ts';
import { FakeLinstor } from '../support/fake-linstor.ts';

const resource = resourceName('one-image-7');
const names = ['host1', 'host2', 'host3'];

/** `down`: what happens to a command on such a host. */
function makeWorld(down: Readonly<Record<string, DriverError>>) {
  const warnings: string[] = [];
  const tried: string[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    warn: (text: string) => warnings.push(text),
    call: () => {},
  };
  const linstor = new FakeLinstor({ nodes: names });
  const run = async (host: string, { args = [] }: HostCommand) => {
    tried.push(host);
    const error = down[host];
    if (error) throw error;
    return { exitCode: 0, stdout: `${args[4]}\0${65536 * 1024}\0${512}\0`, stderr: '', ms: 1 };
  };
  const ctx = {
    log,
    undo: new Undo(log as unknown as Context['log']),
    clock: { now: () => 0, sleep: async () => {} },
    hosts: { run },
    one: { hosts: async () => names.map((name, id) => ({ id, name, state: 2, enabled: true })) },
  } as unknown as Context;
  const settings = {
    bridgeList: names,
    nodeMap: {},
    disklessPool: 'DfltDisklessStorPool',
  } as unknown as Settings;
  const copy = async (spread: number) =>
    attachForCopy(
      ctx,
      { settings, linstor },
      { resource, view: await linstor.resources({ names: [resource] }), minKib: kib(65536), spread },
    );
  return { linstor, ctx, copy, warnings, tried };
}

const noRoute = (host: string): DriverError =>
  new DriverError('HOST_UNREACHABLE', `${host} cannot be reached`, { details: [`ssh: ${host}: no route`] });

describe('a bridge host that does not answer', () => {
  test('another one that holds the disk copies; the log names the one that was passed over', async () => {
    const { linstor, copy, warnings, tried } = makeWorld({ host2: noRoute('host2') });
    linstor.add(resource, ['host1', 'host2']);
    expect(await copy(1)).toMatchObject({ host: 'host1', node: 'host1', made: false });
    expect(tried).toEqual(['host2', 'host1']);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('host2 cannot be reached');
    expect(linstor.writes).toEqual([]);
  });

  test('what was attached for it is taken back at once, what is used stays until the action fails', async () => {
    const { linstor, ctx, copy } = makeWorld({ host1: noRoute('host1'), host2: noRoute('host2') });
    linstor.add(resource, ['host1']);
    expect(await copy(0)).toMatchObject({ host: 'host3', made: true });
    expect(linstor.writes).toEqual([
      `makeAvailable ${resource} host2`,
      `deleteResource ${resource} host2`,
      `makeAvailable ${resource} host3`,
    ]);
    expect(linstor.where(resource)).toEqual(['host1', 'host3:diskless']);
    await ctx.undo.rollback();
    expect(linstor.where(resource)).toEqual(['host1']);
  });

  test('all: the error has the reasons of each, and nothing stays attached', async () => {
    const { linstor, copy } = makeWorld(Object.fromEntries(names.map((name) => [name, noRoute(name)])));
    linstor.add(resource, ['host1']);
    const error = toDriverError(await copy(0).catch((thrown: unknown) => thrown));
    expect(error.code).toBe('HOST_UNREACHABLE');
    for (const name of names) expect(error.details).toContain(`ssh: ${name}: no route`);
    expect(linstor.where(resource)).toEqual(['host1']);
  });

  test('any other failure is told, not passed over', async () => {
    const small = new DriverError('DEVICE_SIZE', 'device is too small');
    const { linstor, copy, tried } = makeWorld({ host1: small });
    linstor.add(resource, ['host1', 'host2']);
    expect(await copy(0).catch((thrown: unknown) => thrown)).toBe(small);
    expect(tried).toEqual(['host1']);
  });

  test('plain storage is never looked for on another host', async () => {
    const { linstor, copy, tried } = makeWorld({ host1: noRoute('host1') });
    linstor.add(resource, ['host1'], { layers: ['STORAGE'] });
    expect(toDriverError(await copy(0).catch((thrown: unknown) => thrown)).code).toBe('HOST_UNREACHABLE');
    expect(tried).toEqual(['host1']);
    expect(linstor.inventedVolumes).toEqual([]);
  });
});
