import { attachDisk, detachDisk } from './disks.ts';
import { createDatablock, createImageFromPath, deleteImage, registerImage } from './images.ts';
import { liveMigrateVm, migrateVm } from './migrate.ts';
import { imageOf, OneRefusal } from './model.ts';
import type { LabOnedOptions, Operation } from './oned.ts';
import type { RpcCall, RpcResult, RpcValue } from './rpc.ts';
import { createDatastore, setHostState } from './setup.ts';

/** XML-RPC calls that change something (contract §8.4), each by what the lab does for a person's command. */

const codes = { authentication: 0x0100, action: 0x0800, allocate: 0x4000 } as const;

type Perform = (options: LabOnedOptions, params: readonly RpcValue[]) => Promise<number>;

/** `NAME="value"` lines, and `DISK=[NAME="value",…]`. */
const valuesOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/([A-Z][A-Z0-9_]*)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  );

function must(operation: Operation): void {
  if (!operation.ok) throw new OneRefusal(operation.error ?? 'it failed');
}

const knownTypes = ['OS', 'CDROM', 'DATABLOCK'] as const;

const allocate: Perform = async (options, [text, datastore]) => {
  const { NAME = '', TYPE, PERSISTENT, PATH, SOURCE, SIZE, FORMAT, ...template } = valuesOf(String(text));
  const state = options.store.read();
  if (!state.datastores.some((each) => each.id === datastore && each.type === 0))
    throw new OneRefusal(`Error getting datastore [${datastore}].`);
  if (NAME === '' || state.images.some((each) => each.name === NAME && (each.uid ?? 0) === 0))
    throw new OneRefusal(`NAME is already taken by IMAGE ${NAME}.`);
  const type = knownTypes.find((each) => each === TYPE);
  const spec = {
    name: NAME,
    datastore: Number(datastore),
    persistent: PERSISTENT === 'YES',
    template,
    ...(type ? { type } : {}),
  };
  if (SOURCE !== undefined && PATH === undefined)
    return registerImage(options, { ...spec, source: SOURCE, sizeMb: Number(SIZE), format: FORMAT ?? 'raw' });
  if (PATH === undefined && TYPE === 'DATABLOCK')
    return (await createDatablock(options, { ...spec, sizeMb: Number(SIZE) })).image;
  const made = await createImageFromPath(options, { ...spec, path: PATH ?? '' });
  // What fails after `stat` is an image in ERROR, and the call has succeeded.
  if (made.image < 0) must(made);
  return made.image;
};

/** oned answers when it has begun. */
async function begun(work: Promise<Operation>): Promise<void> {
  const failed = work.catch((error: unknown) => error);
  const early = await Promise.race([failed, Bun.sleep(50)]);
  if (early instanceof Error) throw early;
}

const datastoreTypes = { IMAGE_DS: 'IMAGE', SYSTEM_DS: 'SYSTEM' } as const;

const allocateDatastore: Perform = async (options, [text]) => {
  const { NAME = '', TYPE, ...template } = valuesOf(String(text));
  const type = datastoreTypes[TYPE as keyof typeof datastoreTypes];
  if (NAME === '' || type === undefined) throw new OneRefusal('NAME or TYPE is missing or wrong.');
  const made = await createDatastore(options, {
    name: NAME,
    type,
    driver: template['TM_MAD'] ?? 'linstor_un',
    template,
  });
  return made.datastore;
};

const performers: Readonly<Record<string, Perform>> = {
  'one.datastore.allocate': allocateDatastore,
  'one.image.allocate': allocate,
  'one.image.delete': async (options, [id]) => {
    must(await deleteImage(options, Number(id)));
    return Number(id);
  },
  'one.image.rename': async ({ store }, [id, name]) => {
    store.update((state) => {
      if (state.images.some((each) => each.name === name)) throw new OneRefusal(`NAME is already taken.`);
      imageOf(state, Number(id)).name = String(name);
    });
    return Number(id);
  },
  'one.image.chown': async ({ store }, [id, user]) => {
    store.update((state) => {
      imageOf(state, Number(id)).uid = Number(user);
    });
    return Number(id);
  },
  'one.host.status': async (options, [id, status]) => {
    const host = options.store.read().hosts.find((each) => each.id === id);
    if (!host) throw new OneRefusal(`Error getting host [${id}].`);
    setHostState(options, host.name, [2, 4, 8][Number(status)] ?? 2);
    return Number(id);
  },
  'one.vm.migrate': async (options, [id, host, live]) => {
    const { hosts, vms } = options.store.read();
    const target = hosts.find((each) => each.id === host);
    const last = vms.find((each) => each.id === id)?.history.at(-1);
    if (!target || !last) throw new OneRefusal(`Error getting host [${host}].`);
    if (target.name === last.hostname) throw new OneRefusal('VM is already running in that host.');
    const to = { host: target.name, datastore: last.datastoreId };
    await begun(
      live ? liveMigrateVm(options, Number(id), to) : migrateVm(options, Number(id), to, { poweroff: true }),
    );
    return Number(id);
  },
  'one.vm.attach': async (options, [id, text]) => {
    const { IMAGE_ID, ...template } = valuesOf(String(text));
    must(await attachDisk(options, Number(id), { image: Number(IMAGE_ID), template }));
    return Number(id);
  },
  'one.vm.detach': async (options, [id, disk]) => {
    must(await detachDisk(options, Number(id), Number(disk)));
    return Number(id);
  },
};

/** `undefined`: no such method. */
export async function performRpc(
  { method, params: [session, ...params] }: RpcCall,
  options: LabOnedOptions,
): Promise<RpcResult | undefined> {
  const perform = performers[method];
  if (!perform) return undefined;
  if (session !== options.store.read().session) {
    const message = `[${method}] User couldn't be authenticated, aborting call.`;
    return { ok: false, code: codes.authentication, message, id: -1 };
  }
  try {
    return { ok: true, body: String(await perform(options, params)) };
  } catch (error) {
    if (!(error instanceof OneRefusal)) throw error;
    const code = method.endsWith('.allocate') ? codes.allocate : codes.action;
    return { ok: false, code, message: `[${method}] ${error.message}`, id: -1 };
  }
}
