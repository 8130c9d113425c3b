import { datastoreXml, imageXml } from './documents.ts';
import { type Attributes, datastoreOf, imageOf, type LabImage, noSnapshots, OneRefusal } from './model.ts';
import { firstLine, type LabOnedOptions, now, type Operation, Session } from './oned.ts';

export interface NewImage {
  readonly name: string;
  readonly datastore: number;
  /** Default OS. */
  readonly type?: 'OS' | 'CDROM' | 'DATABLOCK';
  readonly persistent?: boolean;
  readonly persistentType?: 'SHAREABLE' | 'IMMUTABLE';
  readonly template?: Attributes;
  /** Whoever makes it; oneadmin where nobody is named. */
  readonly uid?: number;
}

export interface ImageOperation extends Operation {
  /** -1 when none was made. */
  readonly image: number;
}

const types = { OS: 0, CDROM: 1, DATABLOCK: 2 } as const;

function allocate(session: Session, spec: NewImage, fields: Partial<LabImage>): number {
  return session.update((state) => {
    const id = state.nextId.image++;
    state.images.push({
      id,
      name: spec.name,
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      type: types[spec.type ?? 'OS'],
      persistent: spec.persistent ?? spec.persistentType !== undefined,
      persistentType: spec.persistentType ?? '',
      regtime: now(),
      source: '',
      path: '',
      format: '',
      fs: '',
      sizeMb: 0,
      state: 4,
      cloningId: -1,
      targetSnapshot: -1,
      datastoreId: spec.datastore,
      vms: [],
      template: { ...spec.template },
      snapshots: noSnapshots('NO'),
      ...fields,
    });
    return id;
  });
}

/** Both documents of an image action. */
function documents(session: Session, imageId: number): [string, string] {
  const state = session.read();
  const image = imageOf(state, imageId);
  const fsType = session.generation === '5.8';
  return [
    imageXml(state, image, { fsType }),
    datastoreXml(state, datastoreOf(state, image.datastoreId), session.options.location),
  ];
}

async function imageAction(session: Session, imageId: number, action: string): ReturnType<Session['call']> {
  const { dsMad } = datastoreOf(session.read(), imageOf(session.read(), imageId).datastoreId);
  return session.datastoreAction(dsMad, action, imageId, ...documents(session, imageId));
}

const change = (session: Session, imageId: number, fields: Partial<LabImage>): void => {
  session.update((state) => Object.assign(imageOf(state, imageId), fields));
};

/** `oneimage create --path`: stat, then cp, then the datastore is monitored. */
export async function createImageFromPath(
  options: LabOnedOptions,
  spec: NewImage & { readonly path: string; readonly sizeMb?: number },
): Promise<ImageOperation> {
  const session = new Session(options);
  const command = `oneimage create --name ${spec.name} --path ${spec.path} -d ${spec.datastore}`;
  let sizeMb = spec.sizeMb;
  const state = session.read();
  const datastore = datastoreOf(state, spec.datastore);
  // The id of stat is that of a request, not of an image (contract §1.2).
  const request = session.update((current) => current.nextId.request++);
  const stat = await session.datastoreAction(
    datastore.dsMad,
    'stat',
    request,
    `<IMAGE><PATH>${spec.path.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</PATH><SIZE>${sizeMb ?? ''}</SIZE></IMAGE>`,
    datastoreXml(state, datastore, options.location),
  );
  if (stat.exitCode !== 0) return { ...session.failed(command, stat), image: -1 };
  const measured = Number.parseInt(firstLine(stat), 10);
  if (!(measured > 0))
    return { ...session.done(command, `Cannot determine Image SIZE. ${firstLine(stat)}`), image: -1 };
  sizeMb = Math.max(sizeMb ?? 0, measured);

  const image = allocate(session, spec, { path: spec.path, sizeMb });
  const cp = await imageAction(session, image, 'cp');
  const [source = '', format = ''] = firstLine(cp).split(/\s+/);
  if (cp.exitCode !== 0) {
    change(session, image, { state: 5 });
    return { ...session.failed(command, cp), image };
  }
  if (source === '' || (format === '' && session.generation !== '5.8')) {
    change(session, image, { state: 5, source });
    return {
      ...session.done(command, `Error copying image: no SOURCE and FORMAT in “${firstLine(cp)}”`),
      image,
    };
  }
  change(session, image, { state: 1, source, format: format === '' ? 'raw' : format });
  await session.monitor(spec.datastore);
  return { ...session.done(command), image };
}

/** An image whose SOURCE and SIZE the template says: no driver is called (contract §8.4). */
export function registerImage(
  options: LabOnedOptions,
  spec: NewImage & { readonly source: string; readonly sizeMb: number; readonly format: string },
): number {
  const { source, sizeMb, format } = spec;
  return allocate(new Session(options), spec, { source, sizeMb, format, state: 1 });
}

export interface NewDatablock extends NewImage {
  readonly sizeMb: number;
  readonly format?: string;
  readonly fs?: string;
}

/** `oneimage create --type DATABLOCK --size`. */
export async function createDatablock(options: LabOnedOptions, spec: NewDatablock): Promise<ImageOperation> {
  const session = new Session(options);
  const command = `oneimage create --name ${spec.name} --type DATABLOCK --size ${spec.sizeMb} -d ${spec.datastore}`;
  const image = allocate(
    session,
    { type: 'DATABLOCK', ...spec },
    {
      sizeMb: spec.sizeMb,
      format: spec.format ?? 'raw',
      fs: spec.fs ?? '',
    },
  );
  const error = await placeholder(session, image);
  if (error) return { ...error(command), image };
  await session.monitor(spec.datastore);
  return { ...session.done(command), image };
}

/** mkfs; the whole first line of the reply becomes the SOURCE. */
async function placeholder(
  session: Session,
  image: number,
): Promise<((command: string) => Operation) | undefined> {
  const mkfs = await imageAction(session, image, 'mkfs');
  if (mkfs.exitCode !== 0 || firstLine(mkfs) === '') {
    change(session, image, { state: 5 });
    return (command) => session.failed(command, mkfs);
  }
  const saving = imageOf(session.read(), image).format === 'save_as';
  change(session, image, { source: firstLine(mkfs), ...(saving ? {} : { state: 1 }) });
  return undefined;
}

/** An image for `disk-saveas`: SOURCE by mkfs with FORMAT=save_as, LOCKED until cpds is done. */
export async function createSaveAsImage(
  session: Session,
  spec: NewImage & { readonly sizeMb: number },
): Promise<{ image: number; error?: (command: string) => Operation }> {
  const image = allocate(session, spec, { sizeMb: spec.sizeMb, format: 'save_as' });
  const error = await placeholder(session, image);
  return error ? { image, error } : { image };
}

/** `oneimage clone`, also into another datastore. */
export async function cloneImage(
  options: LabOnedOptions,
  spec: { readonly image: number; readonly name: string; readonly datastore?: number },
): Promise<ImageOperation> {
  const session = new Session(options);
  const command = `oneimage clone ${spec.image} ${spec.name}${spec.datastore === undefined ? '' : ` -d ${spec.datastore}`}`;
  const original = imageOf(session.read(), spec.image);
  if (original.state === 8) throw new OneRefusal('Cannot clone image in state USED_PERS.');
  const image = allocate(
    session,
    { name: spec.name, datastore: spec.datastore ?? original.datastoreId },
    {
      path: original.source,
      sizeMb: original.sizeMb,
      format: original.format,
      fs: original.fs,
      cloningId: original.id,
    },
  );
  change(session, image, { persistent: original.persistent });
  const clone = await imageAction(session, image, 'clone');
  const [source = '', format = original.format] = firstLine(clone).split(/\s+/);
  if (clone.exitCode !== 0 || source === '') {
    change(session, image, { state: 5, cloningId: -1 });
    return { ...session.failed(command, clone), image };
  }
  change(session, image, { state: 1, source, format, cloningId: -1 });
  await session.monitor(spec.datastore ?? original.datastoreId);
  return { ...session.done(command), image };
}

/** `oneimage delete`; an image without SOURCE is dropped without a driver call. */
export async function deleteImage(options: LabOnedOptions, id: number): Promise<Operation> {
  const session = new Session(options);
  const command = `oneimage delete ${id}`;
  const image = imageOf(session.read(), id);
  if (image.vms.length > 0)
    throw new OneRefusal(`Cannot delete image ${id}: it is used by ${image.vms.length} VMs.`);
  if (image.source !== '') {
    const rm = await imageAction(session, id, 'rm');
    if (rm.exitCode !== 0) {
      change(session, id, { state: 5 });
      return session.failed(command, rm);
    }
  }
  session.update((state) => {
    state.images = state.images.filter((each) => each.id !== id);
  });
  if (image.source !== '') await session.monitor(image.datastoreId);
  return session.done(command);
}

type ImageSnapshotAction = 'snap_delete' | 'snap_revert' | 'snap_flatten';

/** `oneimage snapshot-delete|-revert|-flatten` on an image that no VM uses. */
export async function imageSnapshot(
  options: LabOnedOptions,
  action: ImageSnapshotAction,
  id: number,
  snapshotId: number,
): Promise<Operation> {
  const session = new Session(options);
  const command = `oneimage snapshot-${action.slice('snap_'.length)} ${id} ${snapshotId}`;
  const image = imageOf(session.read(), id);
  const snapshot = image.snapshots.snapshots.find((each) => each.id === snapshotId);
  if (!snapshot) throw new OneRefusal(`Image ${id} has no snapshot ${snapshotId}.`);
  if (image.state !== 1) throw new OneRefusal(`Image ${id} is not READY.`);
  change(session, id, { targetSnapshot: snapshotId });
  const call = await imageAction(session, id, action);
  change(session, id, { targetSnapshot: -1 });
  if (call.exitCode !== 0) return session.failed(command, call);
  session.update((state) => {
    const current = imageOf(state, id);
    const list = current.snapshots;
    if (action === 'snap_delete') list.snapshots = list.snapshots.filter((each) => each.id !== snapshotId);
    else current.sizeMb = snapshot.sizeMb;
    if (action === 'snap_flatten') current.snapshots = noSnapshots('NO');
    if (action === 'snap_revert') for (const each of list.snapshots) each.active = each.id === snapshotId;
  });
  return session.done(command);
}
