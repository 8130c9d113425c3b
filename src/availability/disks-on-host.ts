import type { Context } from '../context.ts';
import { driverName } from '../opennebula/driver-name.ts';
import type { Datastore, Disk, Vm } from '../opennebula/one.ts';
import { vmState } from '../opennebula/states.ts';
import { diskResource } from '../volumes/names.ts';

/** A disk that a VM on the host may be writing to, as far as OpenNebula knows. */
export interface HostDisk {
  readonly vm: number;
  readonly disk: number;
  /** The proper name of its resource; absent: no disk of ours. */
  readonly resource?: string;
  /** Why it is no matter of ours: another driver's. */
  readonly foreign?: string;
  /** It lies on the host itself, and nobody else can open it. */
  readonly local: boolean;
}

/** Running, or about to: VMs whose process may be on the host. One that is powered off or suspended has none. */
export async function vmsOnHost({ one }: Pick<Context, 'one'>, host: string): Promise<Vm[]> {
  const active = (await one.vms()).filter((vm) => vm.state === vmState.ACTIVE);
  // The pool tells only the last place; a VM that is on its way may still run at the one before.
  const complete = await Promise.all(
    active.map((vm) => (isRunning(vm) || isOn(vm, host, 1) ? vm : one.vm(vm.id))),
  );
  return complete.filter((vm) => isOn(vm, host, 2));
}

const running = 3;
const unknown = 16;
const isRunning = ({ lcmState }: Vm): boolean => lcmState === running || lcmState === unknown;

const isOn = (vm: Vm, host: string, places: number): boolean =>
  vm.history.slice(-places).some(({ hostname }) => hostname.toLowerCase() === host.toLowerCase());

const isReadOnly = ({ kind, attributes }: Disk): boolean =>
  kind === 'cdrom' || kind === 'immutable' || /^yes$/i.test(attributes['READONLY'] ?? '');

export function disksOf(vm: Vm, prefix: string, datastores: readonly Datastore[]): HostDisk[] {
  const system = datastores.find(({ id }) => id === vm.history.at(-1)?.datastoreId);
  const isShared = !/^no$/i.test(system?.template['SHARED'] ?? 'yes');
  return vm.disks
    .filter((disk) => !isReadOnly(disk))
    .map((disk): HostDisk => {
      const base = { vm: vm.id, disk: disk.id };
      const own = disk.kind === 'clone' || disk.kind === 'volatile';
      const source = /^\/dev\/drbd\/by-res\/([^/]+)\/\d+$/.exec(disk.source.trim())?.[1];
      if (disk.tmMad === driverName && own)
        return { ...base, resource: diskResource(prefix, vm.id, disk.id), local: false };
      if (disk.tmMad === driverName && source !== undefined)
        return { ...base, resource: source, local: false };
      return { ...base, foreign: disk.tmMad || 'an unknown driver', local: own && !isShared };
    });
}
