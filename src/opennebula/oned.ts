import { isDriverError } from '../errors.ts';
import { runProcess } from '../hosts/process.ts';
import {
  parseDatastore,
  parseDatastores,
  parseHooks,
  parseHosts,
  parseImage,
  parseImages,
  parseLeads,
  parseMarketplaceHosts,
  parseVm,
  parseVms,
} from './documents.ts';
import type { One } from './one.ts';
import { oneChanges } from './one-changes.ts';
import { OneCommands, type RunCommand } from './one-commands.ts';
import { isTimeout, OnedClient, type OnedClientOptions } from './oned-client.ts';
import { atLeast } from './version.ts';
import { poolLimit } from './xml.ts';

export interface OneOptions extends OnedClientOptions {
  /** From `<remotes>/VERSION`; decides only whether a parameter of newer releases is worth sending. */
  readonly version?: string | undefined;
  /** How the `one*` commands are run; `false`: never. */
  readonly run?: RunCommand | false;
}

/** Every pool: all objects, all pages, and of VMs all that are not DONE. */
const everything = [-2, -1, -1] as const;
const notDone = -1;

/** oned over XML-RPC, and over its commands when it cannot be reached so. */
export function createOne(options: OneOptions): One {
  const client = new OnedClient(options);
  const { version, deadlineMs, onCall } = options;
  const run = options.run === undefined ? runOneCommand : options.run;
  const commands = run
    ? new OneCommands({
        run,
        version,
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        ...(onCall ? { onCall } : {}),
      })
    : undefined;
  const ask = withFallback(commands);
  const decrypt = atLeast(version, 5, 12) ? [true] : [];
  const datastore = (id: number): Promise<string> =>
    ask(
      () => client.callWithExtra('one.datastore.info', [id], decrypt),
      (by) => by.datastore(id),
    );
  const image = (id: number): Promise<string> =>
    ask(
      () => client.call('one.image.info', id),
      (by) => by.image(id),
    );
  return {
    ...oneChanges(client),
    vm: async (id) =>
      parseVm(
        await ask(
          () => client.call('one.vm.info', id),
          (by) => by.vm(id),
        ),
      ),
    datastore: async (id) => parseDatastore(await datastore(id)),
    image: async (id) => parseImage(await image(id)),
    document: (kind, id) => (kind === 'image' ? image(id) : datastore(id)),
    hosts: async () =>
      parseHosts(
        await ask(
          () => client.call('one.hostpool.info'),
          (by) => by.hosts(),
        ),
      ),
    datastores: async () =>
      parseDatastores(
        await ask(
          () => client.call('one.datastorepool.info'),
          (by) => by.datastores(),
        ),
      ),
    vms: async () =>
      parseVms(
        await ask(
          () => client.call('one.vmpool.infoextended', ...everything, notDone),
          (by) => by.vms(),
        ),
      ),
    images: async () =>
      parseImages(
        await ask(
          () => client.call('one.imagepool.info', ...everything),
          (by) => by.images(),
        ),
      ),
    marketplaceHosts: async () =>
      parseMarketplaceHosts(
        await ask(
          () => client.call('one.marketpool.info', ...everything),
          (by) => by.marketplaces(),
        ),
      ),
    hooks: async () => parseHooks(await client.call('one.hookpool.info', ...everything)),
    leads: async () => parseLeads(await client.call('one.zone.raftstatus')),
    version: () =>
      ask(
        () => client.call('one.system.version'),
        (by) => by.version(),
      ),
  };
}

type Ask = (
  overRpc: () => Promise<string>,
  byCommand: (commands: OneCommands) => Promise<string>,
) => Promise<string>;

/**
 * Only an oned that cannot be reached is asked the other way; one that refuses has answered. After a timeout
 * nothing is tried: the commands would wait for the same oned. What failed once is not tried again in this process.
 */
function withFallback(commands: OneCommands | undefined): Ask {
  let rpcFailed = false;
  return async (overRpc, byCommand) => {
    if (rpcFailed && commands) return byCommand(commands);
    try {
      return await overRpc();
    } catch (error) {
      if (!commands || !isDriverError(error, 'ONE_UNREACHABLE') || isTimeout(error)) throw error;
      const document = await byCommand(commands).catch((second: unknown) => {
        // The commands may be missing; then XML-RPC's own reason is the one to tell.
        throw isDriverError(second, 'ONE_NOT_FOUND', 'ONE_REFUSED', 'INTERRUPTED') ? second : error;
      });
      rpcFailed = true;
      return document;
    }
  };
}

const runOneCommand: RunCommand = async (argv, timeoutMs) => {
  const result = await runProcess(argv, { timeoutMs, limit: poolLimit });
  return result.ended === 'exit'
    ? result
    : { ...result, exitCode: result.exitCode || 1, stderr: `${result.stderr}\nno answer in time` };
};
