import type { Context } from '../context.ts';
import { vmDisks } from '../disks/migration-disks.ts';
import { DriverError, isDriverError } from '../errors.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { moveVolume } from '../move/move.ts';
import type { Settings } from '../opennebula/settings.ts';
import { vmState } from '../opennebula/states.ts';
import { resourceOfSource } from '../volumes/names.ts';
import { wholeNumber } from './arguments.ts';
import { operatorCommand } from './command.ts';

export const moveCommand = operatorCommand({
  name: 'move',
  summary:
    'Move the disks of a VM, or an image, into another storage pool or resource group of the same LINSTOR while they are in use: a replica more, in sync, then one less; never fewer than before. ' +
    'May be interrupted in any way: the same command goes on. Refuses volumes with snapshots, which do not move.',
  args: {
    what: { type: 'positional', required: true, description: 'vm or image' },
    id: { type: 'positional', required: true, description: 'its id' },
    disk: {
      type: 'string',
      valueHint: 'ID',
      description: 'vm: this disk alone; default: all that no other VM may have',
    },
    'to-pool': { type: 'string', valueHint: 'POOL', description: 'every replica in this storage pool' },
    'to-group': {
      type: 'string',
      valueHint: 'GROUP',
      description: 'every replica in a pool of this resource group, to which the volume belongs then',
    },
    limit: {
      type: 'string',
      valueHint: 'RATE',
      description:
        'of the copying between two nodes, in bytes a second (“50M”); default: as DRBD is set, 100M',
    },
    timeout: {
      type: 'string',
      valueHint: 'MINUTES',
      description: 'give up when nothing moves for so long; default 30',
    },
  },
  exitCodes: [
    [0, 'every replica is where it should be'],
    [1, 'failed or was stopped: what has moved stays moved, and the same command goes on'],
  ],
  examples: [
    ['move vm 7 --to-pool fast', 'all disks of VM 7, which runs on'],
    ['move vm 7 --disk 1 --to-group gold', 'one disk; its group says from now on how many replicas it has'],
    ['move image 12 --to-pool cheap --limit 20M', 'slowly'],
  ],
  run: async (args, environment) => {
    const { terminal } = environment;
    const [pool, group] = [args['to-pool'], args['to-group']];
    if ((pool === undefined) === (group === undefined))
      throw new DriverError('USAGE', 'move: give either --to-pool or --to-group');
    const minutes = wholeNumber('--timeout', args.timeout) ?? 30;
    if (minutes < 1) throw new DriverError('USAGE', '--timeout is at least one minute');
    const limitKib = args.limit === undefined ? undefined : rateOf(args.limit);
    const context = await environment.context();
    const id = wholeNumber(`move ${args.what}`, args.id) ?? 0;
    const volumes = await volumesOf(context, args.what, id, wholeNumber('--disk', args.disk));
    const say = (text: string): void => terminal.message('info', text);
    for (const { linstor, settings, resource } of volumes) {
      const target =
        group === undefined ? await poolTarget(linstor, pool ?? '') : await groupTarget(linstor, group);
      try {
        const result = await moveVolume(context, {
          linstor,
          prefix: settings.namePrefix,
          resource,
          ...target,
          ...(limitKib === undefined ? {} : { limitKib }),
          stallMs: minutes * 60_000,
          say,
        });
        terminal.message('success', `${resource}: ${result === 'moved' ? 'moved' : 'is there already'}`);
      } catch (error) {
        if (isDriverError(error, 'INTERRUPTED'))
          say(`${resource}: stopped; the same command goes on from here`);
        throw error;
      }
    }
    return 0;
  },
});

/** KiB a second. */
function rateOf(text: string): number {
  const [, digits, unit = ''] = /^([1-9]\d{0,9})([KMG]?)$/i.exec(text) ?? [];
  const factor = { '': 1 / 1024, K: 1, M: 1024, G: 1024 * 1024 }[unit.toUpperCase()] ?? 1;
  const rate = Math.floor(Number(digits) * factor);
  // What DRBD takes for its limit of a resync.
  if (rate >= 250 && rate <= 4 * 1024 * 1024) return rate;
  throw new DriverError('USAGE', `--limit: “${text}” is no rate from 250K to 4G bytes a second`);
}

interface Volume {
  readonly linstor: Linstor;
  readonly settings: Settings;
  readonly resource: ResourceName;
}

async function volumesOf(
  context: Context,
  what: string,
  id: number,
  disk: number | undefined,
): Promise<readonly Volume[]> {
  if (what === 'image') {
    if (disk !== undefined) throw new DriverError('USAGE', '--disk goes with vm');
    const image = await context.one.image(id);
    const resource = resourceOfSource(image.source);
    const settings = context.settings((await context.one.datastore(image.datastoreId ?? -1)).template);
    return [{ resource, settings, linstor: context.linstor(settings) }];
  }
  if (what !== 'vm') throw new DriverError('USAGE', `move: “${what}” is neither vm nor image`);
  const vm = await context.one.vm(id);
  const place = vm.history.at(-1);
  if (vm.state === vmState.DONE || !place)
    throw new DriverError(
      'ONE_NOT_FOUND',
      `VM ${id} has no disks in LINSTOR: it was never deployed, or is done`,
    );
  const all = await vmDisks(context, vm, '', place.datastoreId, place.tmMad === 'linstor_un');
  const chosen = all.filter((each) =>
    disk === undefined ? each.sharing === 'exclusive' : each.disk.id === disk,
  );
  if (chosen.length > 0) return chosen;
  throw new DriverError(
    'BAD_ARGUMENT',
    disk === undefined
      ? `VM ${id} has no disks of its own on LINSTOR`
      : `VM ${id} has no disk ${disk} on LINSTOR`,
    { remedy: `linstor_un status vm ${id}` },
  );
}

async function poolTarget(linstor: Linstor, pool: string): Promise<{ pools: readonly string[] }> {
  const found = await linstor.storagePools({ pools: [pool] });
  if (found.length === 0)
    throw new DriverError('PLACEMENT', `LINSTOR has no storage pool “${pool}”`, {
      remedy: 'linstor storage-pool list',
    });
  return { pools: [pool] };
}

async function groupTarget(
  linstor: Linstor,
  name: string,
): Promise<{ pools: readonly string[]; group: string; replicas?: number }> {
  const group = await linstor.resourceGroup(name);
  if (!group)
    throw new DriverError('PLACEMENT', `LINSTOR has no resource group “${name}”`, {
      remedy: 'linstor resource-group list',
    });
  const pools = group.filter.storagePools ?? [];
  if (pools.length === 0)
    throw new DriverError(
      'PLACEMENT',
      `resource group “${name}” names no storage pool, so nothing is to be moved`,
      {
        remedy: `linstor resource-group modify ${name} --storage-pool POOL, or --to-pool`,
      },
    );
  const { placeCount } = group.filter;
  return { pools, group: group.name, ...(placeCount === undefined ? {} : { replicas: placeCount }) };
}
