import { nodeOfHost } from '../../disks/host-node.ts';
import type { Disk, Vm } from '../../opennebula/one.ts';
import { vmState } from '../../opennebula/states.ts';
import { resourceOfDisk } from '../../volumes/disk.ts';
import { canSnapshot, replicasOf } from '../../volumes/replicas.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type Facts, orElse } from './facts.ts';

/** Backups that will be refused, or are not what they seem, before somebody needs one (backup contract B1, B13, B14). */
export function checkBackups(facts: Facts): Finding[] {
  const vms = orElse(facts.one.vms, []).filter((vm) => vm.state !== vmState.DONE && vm.disks.some(isOurs));
  return [
    ...facts.clusters.flatMap(checkRestores),
    ...vms.filter(isConfigured).flatMap((vm) => checkVm(facts, vm)),
    ...checkTools(facts, vms.filter(isIncremental)),
  ];
}

const driver = 'linstor_un';
const isOurs = (disk: Disk): boolean => disk.tmMad === driver;
const isConfigured = (vm: Vm): boolean => Object.keys(vm.backup).length > 0;
const isIncremental = (vm: Vm): boolean => vm.backup['MODE']?.toUpperCase() === 'INCREMENT';
const nameOf = (vm: Vm): string => `VM ${vm.id} (${vm.name})`;

/** What a disk held before a restore goes with the restore's success. */
function checkRestores({ snapshots }: ClusterFacts): Finding[] {
  return orElse(snapshots, []).flatMap(({ resource, name }) => {
    const vmId = /^one-restore-(\d+)$/.exec(name)?.[1];
    if (vmId === undefined) return [];
    return [
      {
        id: 'backups.restore',
        severity: 'fail' as const,
        object: resource,
        what: `a restore of VM ${vmId} is under way or was broken off`,
        why: `if it was broken off, the disk is half written; what it held before is in its snapshot ${name}`,
        remedy: `start the VM, or repeat onevm restore: what the disk held comes back first\nor: linstor snapshot rollback ${resource} ${name}`,
      },
    ];
  });
}

function checkVm(facts: Facts, vm: Vm): Finding[] {
  const system = vm.history.at(-1)?.tmMad;
  if (system !== undefined && system !== driver) return isIncremental(vm) ? [mixedSystem(vm, system)] : [];
  return [
    ...foreignDisks(vm),
    ...(isIncremental(vm) ? withoutSnapshots(facts, vm) : []),
    ...(/^yes$/i.test(vm.backup['INTERACTIVE'] ?? '') ? [interactive(vm)] : []),
    ...(keepsTpm(vm) ? [tpmChain(vm)] : []),
  ];
}

const mixedSystem = (vm: Vm, system: string): Finding => ({
  id: 'backups.system',
  severity: 'warn',
  object: nameOf(vm),
  what: `its increments are left to the driver “${system}” of its system datastore`,
  why: 'that one keeps a checkpoint in libvirt, which refuses it for disks that are not qcow2 files',
  remedy: 'set MODE=FULL, or move the VM to a system datastore of linstor_un',
});

/** OpenNebula hands over CD-ROMs to nobody, but it counts them when it asks whether increments are possible. */
function foreignDisks(vm: Vm): Finding[] {
  const foreign = vm.disks.filter((disk) => !isOurs(disk) && disk.kind !== 'filesystem' && disk.tmMad !== '');
  const data = foreign.filter((disk) => disk.kind !== 'cdrom');
  const findings: Finding[] = [];
  if (data.length > 0)
    findings.push({
      id: 'backups.foreign',
      severity: 'warn',
      object: nameOf(vm),
      what: `disk ${data.map(({ id }) => id).join(', ')} belongs to another driver: backups of the VM are refused`,
      why: 'only its own driver can read it consistently',
      remedy: 'leave it out with DISK_IDS (OpenNebula 7.4), or move it to a LINSTOR datastore',
    });
  const cdroms = foreign.filter(
    (disk) => disk.kind === 'cdrom' && ['ssh', 'local', 'shared', 'qcow2'].includes(disk.tmMad),
  );
  if (cdroms.length > 0 && isIncremental(vm))
    findings.push({
      id: 'backups.cdrom',
      severity: 'warn',
      object: nameOf(vm),
      what: `CD-ROM ${cdroms.map(({ id }) => id).join(', ')} is a file of the driver “${cdroms[0]?.tmMad}”`,
      why: 'OpenNebula refuses increments for a VM with such a CD-ROM, though it is not backed up',
      remedy: 'detach it, or keep the ISO in a LINSTOR datastore',
    });
  return findings;
}

function withoutSnapshots(facts: Facts, vm: Vm): Finding[] {
  const bad = vm.disks.filter(isOurs).filter((disk) =>
    facts.clusters.some((cluster) => {
      const view = replicasOf(
        orElse(cluster.resources, []),
        resourceOfDisk(vm, disk, cluster.settings.namePrefix).resource,
      );
      return view.length > 0 && !canSnapshot(view);
    }),
  );
  if (bad.length === 0) return [];
  return [
    {
      id: 'backups.pool',
      severity: 'warn',
      object: nameOf(vm),
      what: `disk ${bad.map(({ id }) => id).join(', ')} is in a storage pool without snapshots: increments are refused`,
      remedy: 'set MODE=FULL and back the VM up while it is powered off, or move the disk to a thin pool',
    },
  ];
}

const interactive = (vm: Vm): Finding => ({
  id: 'backups.interactive',
  severity: 'warn',
  object: nameOf(vm),
  what: 'INTERACTIVE=YES: backups of the VM are refused',
  why: 'this driver has no server for backup programs that fetch the data themselves (OneBEX)',
  remedy: 'set INTERACTIVE=NO and use an rsync or restic datastore',
});

const keepsTpm = (vm: Vm): boolean =>
  isIncremental(vm) && Number(vm.backup['KEEP_LAST'] || '0') > 0 && /<TPM>.*?<MODEL>/s.test(vm.xml);

const tpmChain = (vm: Vm): Finding => ({
  id: 'backups.tpm',
  severity: 'info',
  object: nameOf(vm),
  what: 'it has a TPM and KEEP_LAST: in an rsync datastore its chain never gets shorter',
  why: 'OpenNebula’s rsync driver takes the TPM’s state for a disk when it shortens a chain, and fails',
  remedy: 'use a restic datastore, or begin a new chain now and then: onevm backup --reset',
});

/** Without it two snapshots are compared, which reads both. */
function checkTools(facts: Facts, incremental: readonly Vm[]): Finding[] {
  if (incremental.length === 0) return [];
  const thin = facts.clusters.flatMap((cluster) =>
    orElse(cluster.pools, [])
      .filter((pool) => pool.provider === 'LVM_THIN')
      .map((pool) => ({ node: pool.node, cluster })),
  );
  return [...facts.hosts].flatMap(([host, known]): Finding[] => {
    if (!known.ok || !known.value.missing.includes('thin_delta')) return [];
    const has = thin.some(
      ({ node, cluster }) =>
        nodeOfHost(host, orElse(cluster.nodes, []), cluster.settings.nodeMap)?.name === node,
    );
    if (!has) return [];
    return [
      {
        id: 'backups.thin_delta',
        severity: 'info',
        object: host,
        what: 'not found: thin_delta',
        why: 'what has changed since the last increment is found by reading two snapshots instead of asking the thin pool',
        remedy: `# on ${host}, as root:\napt-get install thin-provisioning-tools   # or dnf install device-mapper-persistent-data`,
      },
    ];
  });
}
