import { diskIdOf, hostPath, vmPlace } from '../../opennebula/paths.ts';
import { type LcmState, lcm } from '../../opennebula/states.ts';
import { escapeXml } from '../../opennebula/xml.ts';
import type { RecordedCall } from './recording.ts';
import type { World } from './world.ts';

/** The VM document that oned would show while a call runs: transfer actions get none with the call itself. */
export function vmDuring(call: RecordedCall, world: World, vm: number): string {
  const target = call.argv.findLast((argument) => /^[^:/]+:\//.test(argument));
  const { host, path } = hostPath(target ?? `${[...world.hosts][0]}:/var/lib/one/datastores/0/${vm}`);
  const { systemDatastoreId } = vmPlace(path);
  const disks = world.diskIds(vm).map((disk) => element('DISK', world.disk(vm, disk, call.seq) ?? {}));
  const history = {
    SEQ: 0,
    HOSTNAME: world.frontends.has(host) ? ([...world.hosts][0] ?? '') : host,
    HID: 0,
    DS_ID: systemDatastoreId,
    TM_MAD: call.driver,
    VM_MAD: 'kvm',
    STIME: 1,
  };
  return [
    `<VM><ID>${vm}</ID><NAME>vm${vm}</NAME><STATE>3</STATE><LCM_STATE>${lcm[stateDuring(call, world)]}</LCM_STATE>`,
    `<DEPLOY_ID>one-${vm}</DEPLOY_ID><TEMPLATE>${contextOf(call)}<MEMORY>64</MEMORY>${disks.join('')}<VMID>${vm}</VMID></TEMPLATE>`,
    `<HISTORY_RECORDS>${element('HISTORY', history)}</HISTORY_RECORDS></VM>`,
  ].join('');
}

function contextOf(call: RecordedCall): string {
  const disk = call.action === 'context' ? diskIdOf(call.argv.at(-3) ?? '') : undefined;
  return disk === undefined ? '' : element('CONTEXT', { DISK_ID: disk });
}

/** LCM states in which oned makes the calls (contract §3.5, §3.6). */
const states: Readonly<Record<string, LcmState>> = {
  clone: 'PROLOG',
  ln: 'PROLOG',
  mkimage: 'PROLOG',
  mkswap: 'PROLOG',
  context: 'BOOT',
  mvds: 'EPILOG',
  delete: 'EPILOG',
  cpds: 'HOTPLUG_SAVEAS_POWEROFF',
  resize: 'DISK_RESIZE_POWEROFF',
  snap_create: 'DISK_SNAPSHOT_POWEROFF',
  snap_create_live: 'DISK_SNAPSHOT',
  snap_delete: 'DISK_SNAPSHOT_DELETE_POWEROFF',
  snap_revert: 'DISK_SNAPSHOT_REVERT_POWEROFF',
  restore: 'RESTORE',
};

function stateDuring(call: RecordedCall, world: World): LcmState {
  if (call.action !== 'mv') return states[call.action] ?? 'RUNNING';
  const [from, to] = call.argv.slice(0, 2).map((argument) => hostPath(argument).host);
  if (world.frontends.has(to ?? '')) return 'EPILOG_STOP';
  return world.frontends.has(from ?? '') ? 'PROLOG_RESUME' : 'PROLOG_MIGRATE';
}

function element(name: string, values: Readonly<Record<string, string | number>>): string {
  const inside = Object.entries(values).map(([key, value]) => `<${key}>${escapeXml(String(value))}</${key}>`);
  return `<${name}>${inside.join('')}</${name}>`;
}
