import { type Attributes, OneRefusal } from './model.ts';
import { type LabOnedOptions, type Operation, Session } from './oned.ts';

export interface NewDatastore {
  readonly name: string;
  readonly type: 'IMAGE' | 'SYSTEM' | 'FILE' | 'BACKUP';
  /** Default `linstor_un`. */
  readonly driver?: string;
  /** Over what TM_MAD_CONF gives. */
  readonly template?: Attributes;
}

const types = { IMAGE: 0, SYSTEM: 1, FILE: 2, BACKUP: 3 } as const;

/** What TM_MAD_CONF writes into a datastore of ours (contract §7.2). */
const registration: Readonly<Record<'IMAGE' | 'SYSTEM', Attributes>> = {
  IMAGE: {
    ALLOW_ORPHANS: 'YES',
    CLONE_TARGET: 'SELF',
    DISK_TYPE: 'BLOCK',
    DRIVER: 'raw',
    LN_TARGET: 'NONE',
    PERSISTENT_SNAPSHOTS: 'YES',
  },
  SYSTEM: {
    ALLOW_ORPHANS: 'YES',
    DISK_TYPE: 'BLOCK',
    DS_MIGRATE: 'YES',
    PERSISTENT_SNAPSHOTS: 'YES',
    SHARED: 'YES',
  },
};

/** `onedatastore create`: the new datastore is monitored at once. */
export async function createDatastore(
  options: LabOnedOptions,
  spec: NewDatastore,
): Promise<Operation & { readonly datastore: number }> {
  const session = new Session(options);
  const driver = spec.driver ?? 'linstor_un';
  const id = session.update((state) => {
    if (state.datastores.some((each) => each.name === spec.name))
      throw new OneRefusal(`NAME ${spec.name} is already taken.`);
    const made = state.nextId.datastore++;
    const conf = spec.type === 'SYSTEM' ? registration.SYSTEM : registration.IMAGE;
    const dsMad = spec.type === 'SYSTEM' ? '-' : driver;
    state.datastores.push({
      id: made,
      name: spec.name,
      type: types[spec.type],
      dsMad,
      tmMad: driver,
      totalMb: 0,
      freeMb: 0,
      usedMb: 0,
      template: {
        ...conf,
        ...(dsMad === '-' ? {} : { DS_MAD: dsMad }),
        TM_MAD: driver,
        TYPE: `${spec.type}_DS`,
        ...spec.template,
      },
    });
    return made;
  });
  await session.monitor(id);
  return { ...session.done(`onedatastore create ${spec.name}`), datastore: id };
}

/** `onedatastore update`: no driver is called. `undefined` removes an attribute. */
export function updateDatastore(
  options: LabOnedOptions,
  id: number,
  template: Readonly<Record<string, string | undefined>>,
): void {
  new Session(options).update((state) => {
    const datastore = state.datastores.find((each) => each.id === id);
    if (!datastore) throw new OneRefusal(`Error getting datastore [${id}].`);
    for (const [name, value] of Object.entries(template)) {
      if (value === undefined) delete datastore.template[name];
      else datastore.template[name] = value;
    }
  });
}

/** `onedatastore delete`: only an empty one; no driver is called. */
export function deleteDatastore(options: LabOnedOptions, id: number): void {
  new Session(options).update((state) => {
    if (state.images.some((image) => image.datastoreId === id))
      throw new OneRefusal(`Datastore ${id} is not empty.`);
    state.datastores = state.datastores.filter((each) => each.id !== id);
  });
}

/** The periodic monitoring of one datastore. */
export async function monitorDatastore(
  options: LabOnedOptions,
  id: number,
  how: { disks?: boolean } = {},
): Promise<Operation> {
  const session = new Session(options);
  const fine = await session.monitor(id, how);
  const command = `(monitoring of datastore ${id})`;
  if (fine) return session.done(command);
  const call = session.calls.at(-1);
  return call && call.exitCode !== 0
    ? session.failed(command, call)
    : session.done(command, `no capacity in “${call?.stdout.trim()}”`);
}

export function addHost(options: LabOnedOptions, name: string): number {
  return new Session(options).update((state) => {
    const id = state.nextId.host++;
    state.hosts.push({ id, name, state: 2 });
    return id;
  });
}

/** 2 MONITORED, 3 ERROR, 4 DISABLED, 8 OFFLINE. */
export function setHostState(options: LabOnedOptions, name: string, value: number): void {
  new Session(options).update((state) => {
    const host = state.hosts.find((each) => each.name === name);
    if (!host) throw new OneRefusal(`There is no host ${name}.`);
    host.state = value;
  });
}
