import { type LabVm, lcm, OneRefusal, vmState } from '../model.ts';
import type { Operation } from '../oned.ts';
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
import { placeFor } from './templates.ts';

const named = (codes: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(codes).find(([, code]) => code === value)?.[0] ?? String(value);

const stateOf = (vm: LabVm): string => named(vmState, vm.state);
const lcmStateOf = (vm: LabVm): string =>
  vm.state === vmState.ACTIVE ? named(lcm, vm.lcmState) : 'LCM_INIT';

/** VMs that are gone are found by their number alone. */
function vmIn({ state, words }: OneCall): LabVm {
  const there = state.vms.filter(({ state: s }) => s !== vmState.DONE);
  return find(/^\d+$/.test(words[0] ?? '') ? state.vms : there, words[0], 'virtual machine');
}

const act = (
  words: string,
  summary: string,
  work: (call: OneCall, vm: number) => Operation | Promise<Operation>,
  more: Partial<OneCommand> = {},
): OneCommand => ({
  ...more,
  words: `<vm>${words === '' ? '' : ` ${words}`}`,
  summary,
  async run(call): Promise<Said> {
    must(await work(call, vmIn(call).id));
    return {};
  },
});

function place(call: OneCall): { host: string; datastore: number } {
  const [, host, datastore] = call.words;
  return {
    host: find(call.state.hosts, host, 'host').name,
    datastore:
      datastore === undefined
        ? (vmIn(call).history.at(-1)?.datastoreId ?? placeFor(call).datastore)
        : find(call.state.datastores, datastore, 'datastore').id,
  };
}

function show(call: OneCall): Said {
  const vm = vmIn(call);
  const record = vm.history.at(-1);
  const disks = vm.disks.map(({ id, attributes }) => [
    id,
    attributes['IMAGE'] ?? attributes['TYPE'] ?? '-',
    `${attributes['SIZE'] ?? '-'}M`,
    attributes['TM_MAD'] ?? '-',
    attributes['SAVE'] === 'YES' ? 'Yes' : 'No',
  ]);
  const snapshots = Object.entries(vm.snapshots).flatMap(([disk, list]) =>
    list.snapshots.map((each) => [disk, each.id, each.name, each.active ? 'active' : '']),
  );
  const whole = (vm.systemSnapshots ?? []).map((each) => [each.id, each.name, each.hypervisorId]);
  return {
    text: [
      fields({
        ID: vm.id,
        NAME: vm.name,
        STATE: stateOf(vm),
        LCM_STATE: lcmStateOf(vm),
        HOST: record?.hostname ?? '-',
        DATASTORE: record?.datastoreId ?? '-',
      }),
      disks.length === 0 ? '' : `\nVM DISKS\n${table(['ID', 'IMAGE', 'SIZE', 'TM', 'SAVE'], disks)}`,
      whole.length === 0 ? '' : `\nSNAPSHOTS\n${table(['ID', 'NAME', 'HYPERVISOR_ID'], whole)}`,
      snapshots.length === 0 ? '' : `\nDISK SNAPSHOTS\n${table(['DISK', 'ID', 'NAME', ''], snapshots)}`,
    ].join(''),
  };
}

function recover({ one, options }: OneCall, vm: number): Promise<Operation> {
  if (options['retry'] === true) return one.retry(vm);
  if (options['delete'] === true) return one.recoverDelete(vm);
  if (options['recreate'] === true) return one.recreate(vm);
  throw new OneRefusal('one of --retry, --delete, --recreate is missing');
}

const disk = ({ words }: OneCall): number => Number(words[1]);

export const onevm: Readonly<Record<string, OneCommand>> = {
  list: {
    words: '',
    summary: 'all that are not gone',
    run: ({ state }) => ({
      text: table(
        ['ID', 'NAME', 'STAT', 'LCM', 'HOST'],
        state.vms
          .filter((vm) => vm.state !== vmState.DONE)
          .map((vm) => [vm.id, vm.name, stateOf(vm), lcmStateOf(vm), vm.history.at(-1)?.hostname ?? '-']),
      ),
    }),
  },
  show: { words: '<vm>', summary: 'one, with its disks and their snapshots', run: show },
  deploy: act('<host> [datastore]', 'start it there', (call, vm) => call.one.deploy(vm, place(call))),
  migrate: act(
    '<host> [datastore]',
    'to another host; --live without a stop',
    (call, vm) =>
      call.options['live'] === true
        ? call.one.liveMigrate(vm, place(call))
        : call.one.migrate(vm, place(call), { poweroff: true }),
    { flags: ['live', 'poff'] },
  ),
  terminate: act('', 'with its disks', ({ one }, vm) => one.terminate(vm), { flags: ['hard'] }),
  poweroff: act('', 'its disks stay', ({ one }, vm) => one.poweroff(vm), { flags: ['hard'] }),
  resume: act('', 'after poweroff or suspend', ({ one }, vm) => one.resume(vm)),
  undeploy: act('', 'its disks leave the host', ({ one }, vm) => one.undeploy(vm), { flags: ['hard'] }),
  recover: act('', 'what failed', recover, { flags: ['retry', 'delete', 'recreate', 'interactive'] }),
  'disk-snapshot-create': act('<disk> <name>', 'of one disk', (call, vm) =>
    call.one.snapshotCreate(vm, disk(call), call.words[2] ?? ''),
  ),
  'disk-snapshot-revert': act('<disk> <snapshot>', 'while it is powered off', (call, vm) =>
    call.one.snapshotRevert(vm, disk(call), Number(call.words[2])),
  ),
  'disk-snapshot-delete': act('<disk> <snapshot>', 'of one disk', (call, vm) =>
    call.one.snapshotDelete(vm, disk(call), Number(call.words[2])),
  ),
  'snapshot-create': act('[name]', 'of the whole VM, while it runs', (call, vm) =>
    call.one.systemSnapshotCreate(vm, call.words[1]),
  ),
  'snapshot-revert': act('<snapshot>', 'the whole VM, while it runs', (call, vm) =>
    call.one.systemSnapshotRevert(vm, Number(call.words[1])),
  ),
  'snapshot-delete': act('<snapshot>', 'of the whole VM', (call, vm) =>
    call.one.systemSnapshotDelete(vm, Number(call.words[1])),
  ),
  'disk-resize': act('<disk> <size>', 'larger', (call, vm) =>
    call.one.resize(vm, disk(call), mebibytes(call.words[2] ?? '', 'the size')),
  ),
  'disk-saveas': {
    words: '<vm> <disk> <image>',
    summary: 'a new image of a disk',
    values: { snapshot: 's' },
    async run(call): Promise<Said> {
      const snapshot = option(call, 'snapshot');
      const spec = {
        name: call.words[2] ?? '',
        ...(snapshot === undefined ? {} : { snapshot: Number(snapshot) }),
      };
      return { text: `Image ID: ${must(await call.one.saveAs(vmIn(call).id, disk(call), spec)).image}\n` };
    },
  },
  'disk-attach': act(
    '',
    'an image, or --size of a volatile one',
    (call, vm) => {
      const [image, size] = [option(call, 'image'), option(call, 'size')];
      if (image !== undefined)
        return call.one.attach(vm, { image: find(call.state.images, image, 'image').id });
      if (size === undefined) throw new OneRefusal('--image or --size is missing');
      return call.one.attach(vm, { volatile: 'fs', sizeMb: mebibytes(size, '--size') });
    },
    { values: { image: 'i', size: undefined } },
  ),
  'disk-detach': act('<disk>', 'one disk', (call, vm) => call.one.detach(vm, disk(call))),
};
