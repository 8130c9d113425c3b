import { type LabTemplate, OneRefusal, type OneState } from '../model.ts';
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

const templatesOf = (state: OneState): readonly LabTemplate[] => state.templates ?? [];

/** Where a scheduler would put it: the monitored host with the fewest VMs, the first system datastore. */
export function placeFor(call: OneCall): { host: string; datastore: number } {
  const { state } = call;
  const load = (name: string): number =>
    state.vms.filter(({ state: s, history }) => s !== 6 && history.at(-1)?.hostname === name).length;
  const hosts = state.hosts.filter((host) => host.state === 2);
  const host = hosts.toSorted((a, b) => load(a.name) - load(b.name) || (a.name < b.name ? -1 : 1))[0];
  if (!host) throw new OneRefusal('no host is monitored');
  const datastore = state.datastores.find(({ type }) => type === 1);
  if (!datastore) throw new OneRefusal('there is no system datastore yet: onedatastore create');
  return { host: host.name, datastore: datastore.id };
}

export const onetemplate: Readonly<Record<string, OneCommand>> = {
  create: {
    words: '',
    summary: 'a template of these options',
    values: { name: undefined, cpu: undefined, memory: undefined, disk: undefined, vcpu: undefined },
    run(call): Said {
      const name = option(call, 'name');
      if (name === undefined) throw new OneRefusal('--name is missing');
      const disks = (option(call, 'disk') ?? '').split(',').filter((word) => word !== '');
      for (const disk of disks) find(call.state.images, disk, 'image');
      const memoryMb = mebibytes(option(call, 'memory') ?? '128', '--memory');
      const id = call.one.options.store.update((state) => {
        if (templatesOf(state).some((each) => each.name === name))
          throw new OneRefusal(`NAME ${name} is already taken`);
        const next = Math.max(-1, ...templatesOf(state).map((each) => each.id)) + 1;
        state.templates = [
          ...templatesOf(state),
          { id: next, name, cpu: option(call, 'cpu') ?? '1', memoryMb, disks },
        ];
        return next;
      });
      return { text: `ID: ${id}\n` };
    },
  },
  list: {
    words: '',
    summary: 'all of them',
    run: ({ state }) => ({
      text: table(
        ['ID', 'NAME', 'DISKS'],
        templatesOf(state).map(({ id, name, disks }) => [id, name, disks.join(',')]),
      ),
    }),
  },
  show: {
    words: '<template>',
    summary: 'one',
    run({ state, words }): Said {
      const { id, name, cpu, memoryMb, disks } = find(templatesOf(state), words[0], 'template');
      return { text: fields({ ID: id, NAME: name, CPU: cpu, MEMORY: memoryMb, DISK: disks.join(', ') }) };
    },
  },
  instantiate: {
    words: '<template>',
    summary: 'a VM of it, on the host with the fewest',
    values: { name: undefined },
    flags: ['hold'],
    async run(call): Promise<Said> {
      const { one, state, options } = call;
      const template = find(templatesOf(state), call.words[0], 'template');
      const disks = template.disks.map((word) => ({ image: find(state.images, word, 'image').id }));
      const spec = { disks, memoryMb: template.memoryMb };
      const name = option(call, 'name') ?? `${template.name}-${state.nextId.vm}`;
      if (options['hold'] === true) return { text: `VM ID: ${one.createVm({ ...spec, name }).vm}\n` };
      const place = placeFor(call);
      return { text: `VM ID: ${must(await one.instantiate({ ...spec, name }, place)).vm}\n` };
    },
  },
  delete: {
    words: '<template>',
    summary: 'the template alone',
    run({ one, state, words }): Said {
      const { id } = find(templatesOf(state), words[0], 'template');
      one.options.store.update((current) => {
        current.templates = templatesOf(current).filter((each) => each.id !== id);
      });
      return {};
    },
  },
};
