import { readFileSync } from 'node:fs';
import { OneRefusal } from '../model.ts';
import { fields, find, must, type OneCommand, type Said, table } from './call.ts';
import { parseTemplate } from './template-text.ts';

const kinds = { IMAGE_DS: 'IMAGE', SYSTEM_DS: 'SYSTEM', FILE_DS: 'FILE', BACKUP_DS: 'BACKUP' } as const;
const names = ['img', 'sys', 'fil', 'bck'];

const size = (mb: number): string => (mb >= 1024 ? `${(mb / 1024).toFixed(1)}G` : `${mb}M`);

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OneRefusal(error instanceof Error ? error.message : String(error));
  }
}

/** A page's example address is not this lab's controller; what a loopback address means stays what it says. */
const leadsElsewhere = (controllers: string): boolean =>
  controllers.split(',').some((one) => !/^\s*(?:\w+:\/\/)?(?:127\.|localhost|\[?::1)/.test(one));

export const onedatastore: Readonly<Record<string, OneCommand>> = {
  create: {
    words: '<file>',
    summary: 'make a datastore of a template',
    async run({ one, words, cluster }): Promise<Said> {
      const { NAME, TYPE = 'IMAGE_DS', ...given } = parseTemplate(readFile(words[0] ?? ''));
      const type = Object.hasOwn(kinds, TYPE) ? kinds[TYPE as keyof typeof kinds] : undefined;
      if (NAME === undefined) throw new OneRefusal('NAME is missing in the template');
      if (type === undefined) throw new OneRefusal(`TYPE is one of ${Object.keys(kinds).join(', ')}`);
      const driver = given['TM_MAD'] ?? given['DS_MAD'] ?? 'linstor_un';
      const { LS_CONTROLLERS, ...rest } = given;
      const elsewhere = LS_CONTROLLERS !== undefined && leadsElsewhere(LS_CONTROLLERS);
      const template = elsewhere || LS_CONTROLLERS === undefined ? rest : { ...rest, LS_CONTROLLERS };
      const { datastore } = must(await one.createDatastore({ name: NAME, type, driver, template }));
      return {
        text: `ID: ${datastore}\n`,
        ...(elsewhere
          ? {
              note: `LS_CONTROLLERS (${LS_CONTROLLERS}) is left out: the controller of this lab is ${cluster.linstorUrl}`,
            }
          : {}),
      };
    },
  },
  list: {
    words: '',
    summary: 'all of them, with their capacity',
    run: ({ state }) => ({
      text: table(
        ['ID', 'NAME', 'SIZE', 'AVAIL', 'TYPE', 'DS', 'TM', 'IMAGES'],
        state.datastores.map((each) => [
          each.id,
          each.name,
          size(each.totalMb),
          each.totalMb === 0 ? '-' : `${Math.round((100 * each.freeMb) / each.totalMb)}%`,
          names[each.type] ?? '-',
          each.dsMad,
          each.tmMad,
          state.images.filter((image) => image.datastoreId === each.id).length,
        ]),
      ),
    }),
  },
  show: {
    words: '<datastore>',
    summary: 'one, with its template',
    run({ state, words }): Said {
      const found = find(state.datastores, words[0], 'datastore');
      const { id, name, totalMb, freeMb, usedMb, template } = found;
      const capacity = { TOTAL: size(totalMb), FREE: size(freeMb), USED: size(usedMb) };
      return { text: `${fields({ ID: id, NAME: name, ...capacity })}\nTEMPLATE\n${fields(template)}` };
    },
  },
  monitor: {
    words: '<datastore>',
    summary: 'ask for its capacity now',
    async run({ one, state, words }): Promise<Said> {
      must(await one.monitor(find(state.datastores, words[0], 'datastore').id));
      return {};
    },
  },
  delete: {
    words: '<datastore>',
    summary: 'an empty one',
    run({ one, state, words }): Said {
      one.deleteDatastore(find(state.datastores, words[0], 'datastore').id);
      return {};
    },
  },
};
