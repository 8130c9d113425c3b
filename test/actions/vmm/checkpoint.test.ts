import { afterEach, describe, expect, test } from 'bun:test';
import { restore } from '../../../src/actions/vmm/restore.ts';
import { save } from '../../../src/actions/vmm/save.ts';
import { mib } from '../../../src/units.ts';
import { checkpointPlacement, checkpointSize, removeCheckpoint } from '../../../src/volumes/checkpoint.ts';
import { refusal } from '../../support/fake-linstor.ts';
import {
  datastoreXml,
  isolated,
  MovingLab,
  type MovingLabOptions,
  type VmSpec,
  vmXml,
} from '../../support/moving-lab.ts';

const labs: MovingLab[] = [];
afterEach(() => {
  for (const lab of labs.splice(0)) lab.remove();
});

const volume = 'one-vm-7-checkpoint';

/** A `save` that writes through whatever <checkpoint> is, as virsh does, and a `restore` that reads it. */
const saveScript = `
echo "save $LAB_HOST $*" >>"$LAB/calls"; cat >"$LAB/stdin"
if [ -L "$2" ]; then printf 'saved memory' | dd of="$2" conv=notrunc status=none; else printf 'saved memory' >"$2"; fi`;
const restoreScript = `
echo "restore $LAB_HOST $*" >>"$LAB/calls"; cat >"$LAB/stdin"
head -c 12 "$1" >"$LAB/restored" && rm "$1"`;

function makeLab(vm: Partial<VmSpec> = {}, options: Partial<MovingLabOptions> = {}): MovingLab {
  const lab = new MovingLab({
    vm: { id: 7, lcm: 'SAVE_SUSPEND', disks: [{ id: 0, kind: 'clone' }], ...vm },
    ...options,
  });
  labs.push(lab);
  for (const host of ['host1', 'host2', 'host3'])
    Bun.spawnSync(['mkdir', '-p', `${lab.dir}/hosts/${host}/datastores/100/7`]);
  lab.script('scripts/vmm/kvm/save', saveScript);
  lab.script('scripts/vmm/kvm/restore', restoreScript);
  domain(lab, 'running');
  return lab;
}

/** What \`virsh domstate\` says on the hosts; empty: there is no such domain. */
function domain(lab: MovingLab, state: string): void {
  for (const host of ['host1', 'host2', 'host3']) {
    lab.script(
      `hosts/${host}/bin/virsh`,
      `shift 2; echo "virsh $*" >>"$LAB/virsh"
case $1 in
  domstate) s="${state}"; [ -n "$s" ] || exit 1; [ ! -e "$LAB/resumed" ] || s=running; echo "$s" ;;
  resume) touch "$LAB/resumed" ;;
  list) exit 0 ;;
esac`,
    );
  }
}

function document(lab: MovingLab, tmMad: string, template: Readonly<Record<string, string>>): string {
  const xml = `<VMM_DRIVER_ACTION_DATA><HOST>host1</HOST>${vmXml(lab.vm)}${datastoreXml(100, tmMad, template)}</VMM_DRIVER_ACTION_DATA>`;
  return xml;
}

interface Options {
  readonly host?: string;
  readonly tmMad?: string;
  readonly template?: Readonly<Record<string, string>>;
}

const wrapped = (xml: string): string =>
  Buffer.from(xml)
    .toString('base64')
    .replaceAll(/(.{60})/g, '$1\n');

const runSave = (lab: MovingLab, { host = 'host1', tmMad = 'linstor_un', template = {} }: Options = {}) =>
  lab.run(save, {
    kind: 'vmm',
    name: 'save_linstor_un',
    argv: ['one-7', `${lab.location}//100/7/checkpoint`, host, '7', host],
    stdin: wrapped(document(lab, tmMad, template)),
  });

const runRestore = (lab: MovingLab, { host = 'host1', tmMad = 'linstor_un', template = {} }: Options = {}) =>
  lab.run(restore, {
    kind: 'vmm',
    name: 'restore_linstor_un',
    argv: [`${lab.location}//100/7/checkpoint`, host, 'one-7', '7', host],
    stdin: wrapped(document(lab, tmMad, template)),
  });

describe.skipIf(!isolated)('save and restore', () => {
  test('the memory goes into a volume and comes back from it on another host', async () => {
    const lab = makeLab();
    expect(await runSave(lab)).toEqual({ reply: undefined });
    expect(lab.linstor.names()).toEqual([volume]);
    expect(lab.read('host1', 'checkpoint')).toBe(`-> ${lab.device(volume)}`);
    expect(lab.linstor.props(volume)['Aux/one/INCOMPLETE']).toBeUndefined();
    expect(lab.linstor.props(volume)['Aux/one/VM_ID']).toBe('7');
    expect(lab.file('calls')).toBe(`save host1 one-7 ${lab.location}//100/7/checkpoint host1 7 host1\n`);
    expect(lab.file('stdin')).toBe(document(lab, 'linstor_un', {}));

    // The bytes of a replicated volume are everywhere; the stand-in's are files.
    Bun.spawnSync([
      'cp',
      '--sparse=always',
      `${lab.dir}/hosts/host1/datastores/dev/${volume}_00000`,
      `${lab.dir}/hosts/host2/datastores/dev/${volume}_00000`,
    ]);
    expect(await runRestore(lab, { host: 'host2' })).toEqual({ reply: undefined });
    expect(lab.file('restored')).toBe('saved memory');
    expect(lab.linstor.names()).toEqual([]);
    expect(lab.read('host2', 'checkpoint')).toBeUndefined();
  });

  test('a VM is resumed when its memory is read, however long the volume takes to go', async () => {
    const lab = makeLab();
    expect(await runSave(lab)).toEqual({ reply: undefined });
    lab.linstor.deleteDefinition = () => new Promise(() => {});
    expect(await runRestore(lab)).toEqual({ reply: undefined });
    expect(lab.file('restored')).toBe('saved memory');
    expect(lab.linstor.names()).toEqual([volume]);
    expect(lab.read('host1', 'checkpoint')).toBeUndefined();
  });

  test('VMs of other datastores: the stock script, same arguments, decoded document, its reply', async () => {
    const lab = makeLab();
    lab.script('scripts/vmm/kvm/save', `${saveScript}\necho done; echo "INFO: save: it took a while" >&2`);
    expect(await runSave(lab, { tmMad: 'ceph' })).toEqual({ reply: 'done' });
    expect(lab.file('stdin')).toBe(document(lab, 'ceph', {}));
    expect(lab.read('host1', 'checkpoint')).toBe('saved memory');
    expect((await runRestore(lab, { tmMad: 'ceph' })).error).toBeUndefined();
    expect(lab.file('restored')).toBe('saved memory');
    expect(lab.linstor.writes).toEqual([]);
    expect(lab.linstor.reads).toBe(0);
    expect(lab.log).toContain('info: save: it took a while');
  });

  test('a stock script that fails or is missing', async () => {
    const lab = makeLab();
    lab.script('scripts/vmm/kvm/save', 'echo "ERROR: save: no such domain" >&2; exit 9');
    const failed = await runSave(lab, { tmMad: 'ceph' });
    expect(failed.error?.message).toContain(
      'vmm/kvm/save failed on host1 with exit code 9: save: no such domain',
    );
    // On a device the stock script's chmod is refused, always.
    lab.script(
      'scripts/vmm/kvm/save',
      `echo "chmod: changing permissions of '$2': Operation not permitted" >&2
echo "error: Failed to save domain 'one-7' to $2" >&2
echo 'error: internal error: child reported: no space' >&2
echo 'Could not save one-7' >&2; exit 1`,
    );
    const hidden = await runSave(lab, { tmMad: 'ceph' });
    expect(hidden.error?.message).toMatch(
      /exit code 1: error: Failed to save domain 'one-7' to \S+ error: internal error: child reported: no space Could not save one-7$/,
    );
    expect(hidden.error?.details.join()).toContain('chmod: changing permissions');
    Bun.spawnSync(['rm', `${lab.dir}/scripts/vmm/kvm/save`]);
    const missing = await runSave(lab, { tmMad: 'ceph' });
    expect(missing.error?.remedy).toBe('onehost sync --force');
  });

  test('a save that fails leaves no volume and no link, and the guest goes on', async () => {
    const lab = makeLab();
    domain(lab, 'paused');
    lab.script('scripts/vmm/kvm/save', 'exit 1');
    const { error } = await runSave(lab);
    expect(error?.code).toBe('HOST_COMMAND');
    expect(lab.linstor.names()).toEqual([]);
    expect(lab.read('host1', 'checkpoint')).toBeUndefined();
    expect(lab.file('virsh').trim().split('\n')).toEqual([
      'virsh domstate one-7',
      'virsh domjobabort one-7',
      'virsh resume one-7',
      'virsh domstate one-7',
    ]);
  });

  test('a domain that is gone after a failure keeps its checkpoint: it may be all that is left', async () => {
    const lab = makeLab();
    domain(lab, '');
    lab.script('scripts/vmm/kvm/save', `${saveScript}\nexit 1`);
    const { error } = await runSave(lab);
    expect(error?.message).toContain('its checkpoint is kept');
    expect(lab.linstor.names()).toEqual([volume]);
    // The next save starts anew.
    lab.script('scripts/vmm/kvm/save', saveScript);
    domain(lab, 'running');
    expect((await runSave(lab)).error).toBeUndefined();
    expect(lab.linstor.names()).toEqual([volume]);
    expect(lab.linstor.writes.filter((line) => line === `deleteDefinition ${volume}`)).toHaveLength(1);
  });

  test('a restore that fails keeps the volume', async () => {
    const lab = makeLab();
    await runSave(lab);
    lab.script('scripts/vmm/kvm/restore', 'exit 1');
    expect((await runRestore(lab)).error?.code).toBe('HOST_COMMAND');
    expect(lab.linstor.names()).toEqual([volume]);
    lab.script('scripts/vmm/kvm/restore', restoreScript);
    expect((await runRestore(lab)).error).toBeUndefined();
    expect(lab.linstor.names()).toEqual([]);
  });

  test('no room: the save fails, nothing is left', async () => {
    const lab = makeLab();
    lab.linstor.failures.set(`place ${volume}`, refusal('place', 996));
    const { error } = await runSave(lab);
    expect(error?.code).toBe('LINSTOR_NO_SPACE');
    expect(lab.linstor.names()).toEqual([]);
    expect(lab.file('calls')).toBe('');
  });

  test('a checkpoint that cannot be removed does not fail the VM that runs again', async () => {
    const lab = makeLab();
    await runSave(lab);
    lab.linstor.failures.set(`deleteDefinition ${volume}`, refusal('delete', 998));
    expect((await runRestore(lab)).error).toBeUndefined();
    expect(lab.log.filter((line) => line.startsWith('warn: checkpoint'))).toHaveLength(1);
  });

  test('plain storage: an ordinary file in the VM’s directory, which travels with it', async () => {
    const lab = makeLab(
      {},
      { groups: [{ name: 'plain', props: {}, filter: { placeCount: 1, layers: ['STORAGE'] } }] },
    );
    const template = { RESOURCE_GROUP: 'plain' };
    await lab.link('host1', 'checkpoint', '/dev/loop7');
    expect((await runSave(lab, { template })).error).toBeUndefined();
    expect(lab.linstor.names()).toEqual([]);
    expect(lab.read('host1', 'checkpoint')).toBe('saved memory');
    expect((await runRestore(lab, { template })).error).toBeUndefined();
    expect(lab.file('restored')).toBe('saved memory');
  });

  test('an ordinary file wins over a volume that was left over', async () => {
    const lab = makeLab();
    lab.linstor.add(volume, ['host1', 'host2']);
    lab.write('host1', 'checkpoint', 'saved memory');
    expect((await runRestore(lab)).error).toBeUndefined();
    expect(lab.file('restored')).toBe('saved memory');
  });

  test('a volume of the bash driver, without a link, is restored', async () => {
    const lab = makeLab();
    lab.linstor.add(volume, ['host3']);
    lab.script('scripts/vmm/kvm/restore', restoreScript);
    expect((await runRestore(lab)).error).toBeUndefined();
    expect(lab.linstor.writes[0]).toBe(`makeAvailable ${volume} host1`);
    expect(lab.linstor.names()).toEqual([]);
  });

  test.each([
    [{}, 2],
    [{ REPLICA_COUNT: '1' }, 1],
    [{ CHECKPOINT_REPLICA_COUNT: '1' }, 1],
    [{ REPLICA_COUNT: '1', CHECKPOINT_REPLICA_COUNT: '3' }, 3],
    [{ NODE_LIST: 'host1 host2 host3', CHECKPOINT_REPLICA_COUNT: '1' }, 1],
  ])('replicas with %o: %d', async (template, replicas) => {
    const lab = makeLab();
    expect((await runSave(lab, { template })).error).toBeUndefined();
    expect(lab.linstor.where(volume).filter((replica) => !replica.includes(':'))).toHaveLength(replicas);
  });

  test.each([
    ['thin, with room', { provider: 'LVM_THIN' }, 2 * 512 + 1024],
    ['thin, nearly full', { provider: 'LVM_THIN', freeKib: 1700 * 1024 }, 576 + 1024],
    ['thick', { provider: 'LVM' }, 576 + 1024],
  ])('size on a pool that is %s', async (_, options, sizeMib) => {
    const lab = makeLab({ memoryMib: 512 }, options);
    expect((await runSave(lab)).error).toBeUndefined();
    expect(lab.linstor.sizeKib(volume)).toBe(sizeMib * 1024);
  });

  test('removeCheckpoint can be repeated', async () => {
    const lab = makeLab();
    lab.linstor.add(volume, ['host1']);
    const ctx = lab.context();
    await removeCheckpoint(ctx, lab.linstor, { namePrefix: '' }, 7);
    await removeCheckpoint(ctx, lab.linstor, { namePrefix: '' }, 7);
    expect(lab.linstor.names()).toEqual([]);
  });
});

describe('size of a checkpoint', () => {
  const vm = (memory: number | undefined, template = {}) => ({
    id: 7,
    ...(memory === undefined ? {} : { memoryMib: mib(memory) }),
    template,
  });

  test.each([
    [128, {}, 144 + 1024, 256 + 1024],
    [65536, {}, 73728 + 1024, 131072 + 1024],
    // With ballooning the guest's memory is what it may have.
    [1024, { MEMORY_MAX: '4096' }, 4608 + 1024, 8192 + 1024],
    [1024, { MEMORY_MAX: 'much' }, 1152 + 1024, 2048 + 1024],
  ])('memory %d %o', (memory, template, thick, thin) => {
    expect(checkpointSize(vm(memory, template), false)).toBe(mib(thick));
    expect(checkpointSize(vm(memory, template), true)).toBe(mib(thin));
  });

  test('holds every page with its address, and a gibibyte of devices, whatever the memory', () => {
    for (let memory = 64; memory <= 4 * 1024 * 1024; memory *= 2) {
      const stream = memory * (1 + 9 / 4096);
      expect(checkpointSize(vm(memory), false)).toBeGreaterThan(stream + 1023);
    }
  });

  test('unknown memory is never guessed', () => {
    expect(() => checkpointSize(vm(undefined), true)).toThrow('has no MEMORY');
  });
});

describe('nodes of a checkpoint', () => {
  const settings = (nodeList: string[], count?: number) => {
    const lab = new MovingLab({ vm: { id: 7, lcm: 'SAVE_STOP', disks: [] } });
    labs.push(lab);
    return lab.context().settings({
      ...(nodeList.length > 0 ? { NODE_LIST: nodeList.join(' ') } : {}),
      ...(count === undefined ? {} : { CHECKPOINT_REPLICA_COUNT: String(count) }),
    });
  };

  test('so many of NODE_LIST, spread over VMs', () => {
    const three = settings(['a1', 'b1', 'c1'], 2);
    expect([0, 1, 2, 3].map((vmId) => checkpointPlacement(three, vmId).nodeList)).toEqual([
      ['a1', 'b1'],
      ['b1', 'c1'],
      ['c1', 'a1'],
      ['a1', 'b1'],
    ]);
    expect(checkpointPlacement(settings(['a1', 'b1']), 5).nodeList).toEqual(['a1', 'b1']);
    expect(checkpointPlacement(settings(['a1'], 2), 5).nodeList).toEqual(['a1']);
    expect(checkpointPlacement(settings([], 2), 5).nodeList).toEqual([]);
  });
});
