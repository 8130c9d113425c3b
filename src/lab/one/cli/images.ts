import { mkdtempSync, rmSync } from 'node:fs';

import { makeImage, missingTools } from '../../demo-image.ts';
import type { NewImage } from '../images.ts';
import { OneRefusal } from '../model.ts';
import {
  fields,
  find,
  mebibytes,
  must,
  type OneCall,
  type OneCommand,
  option,
  type Said,
  table,
} from './call.ts';

export const imageStates: Readonly<Record<number, string>> = {
  1: 'rdy',
  2: 'used',
  4: 'lock',
  5: 'err',
  6: 'clon',
  7: 'dele',
  8: 'used',
};

/** Hosts that belong to nobody (RFC 2606): what a page calls `https://example.org/…` is made here. */
const exampleHost = /^https?:\/\/(?:[^/]+\.)?example\.(?:org|com|net)\//;

/** A small image of the lab's own, where a datastore as in the quick start allows files. */
async function withExample<T>(work: (path: string) => Promise<T>): Promise<T> {
  const missing = missingTools();
  if (missing !== undefined) throw new OneRefusal(missing);
  const dir = mkdtempSync('/var/tmp/linstor_un-lab-');
  try {
    return await work((await makeImage(dir, 32)).qcow2);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const typeOf = (call: OneCall): NonNullable<NewImage['type']> => {
  const type = (option(call, 'type') ?? 'OS').toUpperCase();
  if (type === 'OS' || type === 'CDROM' || type === 'DATABLOCK') return type;
  throw new OneRefusal(`an image is OS, CDROM or DATABLOCK, not “${type}”`);
};

async function create(call: OneCall): Promise<Said> {
  const { one, state, options } = call;
  const [name, path, size] = [option(call, 'name'), option(call, 'path'), option(call, 'size')];
  if (name === undefined) throw new OneRefusal('--name is missing');
  const datastores = state.datastores.filter(({ type }) => type === 0);
  const given = option(call, 'datastore');
  const datastore = given === undefined ? datastores[0] : find(state.datastores, given, 'datastore');
  if (!datastore) throw new OneRefusal('there is no image datastore yet: onedatastore create');
  if (state.images.some((image) => image.name === name))
    throw new OneRefusal(`NAME ${name} is already taken`);
  const spec = {
    name,
    datastore: datastore.id,
    type: typeOf(call),
    persistent: options['persistent'] === true,
  };
  if (path === undefined) {
    if (size === undefined) throw new OneRefusal('--path, or --size of an empty one, is missing');
    const made = must(
      await one.createDatablock({
        ...spec,
        type: 'DATABLOCK',
        sizeMb: mebibytes(size, '--size'),
        ...fs(call),
      }),
    );
    return { text: `ID: ${made.image}\n` };
  }
  const from = async (source: string): Promise<Said> => {
    const sizeMb = size === undefined ? {} : { sizeMb: mebibytes(size, '--size') };
    return { text: `ID: ${must(await one.createImage({ ...spec, ...sizeMb, path: source })).image}\n` };
  };
  if (!exampleHost.test(path)) return from(path);
  const said = await withExample(from);
  return {
    ...said,
    note: `${path} is nowhere: the image is a small one of this lab, with an ext4 file system`,
  };
}

function fs(call: OneCall): { fs?: string } {
  const wanted = option(call, 'fs');
  return wanted === undefined ? {} : { fs: wanted };
}

const imageIn = ({ state, words }: OneCall) => find(state.images, words[0], 'image');

const snapshotAction = (
  summary: string,
  act: (call: OneCall, image: number, snapshot: number) => Promise<Parameters<typeof must>[0]>,
): OneCommand => ({
  words: '<image> <snapshot>',
  summary,
  async run(call): Promise<Said> {
    must(await act(call, imageIn(call).id, Number(call.words[1])));
    return {};
  },
});

export const oneimage: Readonly<Record<string, OneCommand>> = {
  create: {
    words: '',
    summary: 'register a file or an address, or make an empty one',
    values: {
      name: undefined,
      path: undefined,
      datastore: 'd',
      type: undefined,
      size: undefined,
      fs: undefined,
    },
    flags: ['persistent'],
    run: create,
  },
  list: {
    words: '',
    summary: 'all of them',
    run: ({ state }) => ({
      text: table(
        ['ID', 'NAME', 'DATASTORE', 'SIZE', 'TYPE', 'PER', 'STAT', 'RVMS'],
        state.images.map((each) => [
          each.id,
          each.name,
          state.datastores.find(({ id }) => id === each.datastoreId)?.name ?? '-',
          `${each.sizeMb}M`,
          ['OS', 'CD', 'DB'][each.type] ?? 'BK',
          each.persistent ? 'Yes' : 'No',
          imageStates[each.state] ?? '-',
          each.vms.length,
        ]),
      ),
    }),
  },
  show: {
    words: '<image>',
    summary: 'one, with its snapshots',
    run(call): Said {
      const image = imageIn(call);
      const { id, name, persistent, sizeMb, state, source, format, vms, snapshots } = image;
      const list = snapshots.snapshots.map((each) => `  ${each.id}  ${each.name}\n`).join('');
      return {
        text: `${fields({
          ID: id,
          NAME: name,
          PERSISTENT: persistent ? 'Yes' : 'No',
          SIZE: `${sizeMb}M`,
          STATE: imageStates[state] ?? String(state),
          SOURCE: source,
          FORMAT: format,
          RUNNING_VMS: vms.length,
        })}${list === '' ? '' : `\nIMAGE SNAPSHOTS\n${list}`}`,
      };
    },
  },
  clone: {
    words: '<image> <name>',
    summary: 'a copy of it',
    values: { datastore: 'd' },
    async run(call): Promise<Said> {
      const given = option(call, 'datastore');
      const datastore = given === undefined ? undefined : find(call.state.datastores, given, 'datastore').id;
      const { image } = must(await call.one.cloneImage(imageIn(call).id, call.words[1] ?? '', datastore));
      return { text: `ID: ${image}\n` };
    },
  },
  delete: {
    words: '<image>',
    summary: 'with its content',
    async run(call): Promise<Said> {
      must(await call.one.deleteImage(imageIn(call).id));
      return {};
    },
  },
  'snapshot-delete': snapshotAction('one of its snapshots', ({ one }, image, id) =>
    one.imageSnapshotDelete(image, id),
  ),
  'snapshot-revert': snapshotAction('back to a snapshot', ({ one }, image, id) =>
    one.imageSnapshotRevert(image, id),
  ),
  'snapshot-flatten': snapshotAction('back to a snapshot, and no others any more', ({ one }, image, id) =>
    one.imageSnapshotFlatten(image, id),
  ),
};
