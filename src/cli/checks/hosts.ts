import { nodeOfHost } from '../../disks/host-node.ts';
import { bytes, humanSize } from '../../units.ts';
import type { Finding } from './check.ts';
import { type Facts, orElse } from './facts.ts';
import { type HostFacts, hostStagingDir } from './host-probe.ts';
import { lvmFilterRemedy } from './lvm-filter.ts';
import { onHost, volumeOf } from './remedy.ts';

/** The hypervisors, as oneadmin sees them over ssh. */
export function checkHosts(facts: Facts): Finding[] {
  return [...facts.hosts].flatMap(([host, known]): Finding[] => {
    if (!known.ok) {
      return [
        {
          id: 'hosts.ssh',
          severity: 'fail',
          object: host,
          what: known.error.message,
          why: 'nothing can be copied, linked or attached there',
          remedy: `ssh -o BatchMode=yes ${host} true   # as oneadmin, to see why`,
        },
      ];
    }
    const findings = checkHost(facts, host, known.value);
    if (findings.some((item) => item.severity !== 'info')) return findings;
    const { kernel, drbd, qemuImg } = known.value;
    return [
      {
        id: 'hosts',
        severity: 'ok',
        object: host,
        what: `kernel ${kernel}, DRBD ${drbd || 'none'}, qemu-img ${qemuImg || 'none'}`,
      },
      ...findings,
    ];
  });
}

function checkHost(facts: Facts, host: string, state: HostFacts): Finding[] {
  return [
    ...checkTools(host, state),
    ...checkDrbd(facts, host, state),
    ...checkRights(host, state),
    ...checkDevices(host, state),
    ...checkRest(host, state),
  ];
}

/** What their absence means is said of each. */
const optionalTools: ReadonlySet<string> = new Set(['virsh', 'blkdiscard', 'thin_delta']);

function checkTools(host: string, state: HostFacts): Finding[] {
  const needed = state.missing.filter((tool) => !optionalTools.has(tool));
  const findings: Finding[] = [];
  if (needed.length > 0)
    findings.push({
      id: 'hosts.tools',
      severity: 'fail',
      object: host,
      what: `not found: ${needed.join(', ')}`,
      why: 'images cannot be copied there',
      remedy: `# on ${host}, as root:\napt-get install qemu-utils coreutils util-linux   # or dnf install qemu-img`,
    });
  if (state.missing.includes('blkdiscard'))
    findings.push({
      id: 'hosts.tools',
      severity: 'warn',
      object: host,
      what: 'not found: blkdiscard',
      why: 'used volumes are overwritten with zeroes instead of being discarded',
      remedy: `# on ${host}, as root:\napt-get install util-linux`,
    });
  if (state.missing.includes('virsh'))
    findings.push({
      id: 'hosts.tools',
      severity: 'info',
      object: host,
      what: 'not found: virsh',
      why: 'as a bridge it is not needed; VMs cannot run there',
    });
  const major = Number.parseInt(state.qemuImg, 10);
  if (major > 0 && major < 5)
    findings.push({
      id: 'hosts.qemu',
      severity: 'warn',
      object: host,
      what: `qemu-img ${state.qemuImg} is old`,
      why: 'it has no --target-is-zero (QEMU 5.0): converting writes every zero',
      remedy: onHost(host, 'apt-get install --only-upgrade qemu-utils   # or dnf upgrade qemu-img'),
    });
  return findings;
}

function checkDrbd(facts: Facts, host: string, state: HostFacts): Finding[] {
  const nodes = facts.clusters.flatMap((cluster) => orElse(cluster.nodes, []));
  const nodeMap = facts.clusters[0]?.settings.nodeMap ?? {};
  const node = nodeOfHost(host, nodes, nodeMap);
  const drbdInUse = facts.clusters.some((cluster) =>
    orElse(cluster.definitions, []).some((item) => item.layers.includes('DRBD')),
  );
  const major = Number.parseInt(state.drbd, 10);
  if (state.drbd === '') {
    if (!node || !drbdInUse) return [];
    return [
      {
        id: 'hosts.drbd',
        severity: 'fail',
        object: host,
        what: 'there is no DRBD module',
        why: 'replicated volumes cannot be attached there',
        remedy: `# on ${host}, as root:\napt-get install drbd-dkms drbd-utils && modprobe drbd`,
      },
    ];
  }
  if (major < 9)
    return [
      {
        id: 'hosts.drbd',
        severity: 'fail',
        object: host,
        what: `the DRBD module is version ${state.drbd}`,
        why: 'LINSTOR needs DRBD 9; version 8 comes with the kernel and is loaded instead',
        remedy: `# on ${host}, as root:\napt-get install drbd-dkms && rmmod drbd && modprobe drbd && cat /proc/drbd`,
      },
    ];
  return [];
}

function checkRights(host: string, state: HostFacts): Finding[] {
  if (state.root || state.groups.includes('disk')) return [];
  return [
    {
      id: 'hosts.rights',
      severity: 'fail',
      object: host,
      what: `the ssh user is not in group disk (it is in ${state.groups.join(', ')})`,
      why: 'block devices are root:disk 0660; images cannot be written',
      remedy: `# on ${host}, as root:\nusermod -aG disk oneadmin`,
    },
  ];
}

function checkDevices(host: string, state: HostFacts): Finding[] {
  const findings: Finding[] = [];
  if (state.lvmScansDrbd && state.drbd !== '')
    findings.push({
      id: 'hosts.lvm',
      severity: 'warn',
      object: host,
      what: 'LVM scans DRBD devices',
      why: 'it opens them (“in use”) and finds the volume groups of guests; and its commands, LINSTOR’s own among them, hang while LINSTOR takes a snapshot, and the guest’s I/O with them, for minutes. A filter that ends with "a|.*|" takes them by their other names',
      remedy: lvmFilterRemedy(host, state.lvmFilter ?? []),
    });
  if (state.multipathGrabsDrbd && state.drbd !== '')
    findings.push({
      id: 'hosts.multipath',
      severity: 'warn',
      object: host,
      what: 'multipathd does not leave DRBD devices alone',
      why: 'it keeps them open, and they cannot be detached',
      remedy: onHost(
        host,
        `mkdir -p /etc/multipath/conf.d && printf 'blacklist {\\n  devnode "^drbd[0-9]+"\\n}\\n' > /etc/multipath/conf.d/drbd.conf`,
        'systemctl reload multipathd',
      ),
    });
  if (state.noise !== '')
    findings.push({
      id: 'hosts.noise',
      severity: 'warn',
      object: host,
      what: `the login shell prints without a terminal: ${JSON.stringify(state.noise.split('\n')[0]?.slice(0, 60))}`,
      why: 'the driver ignores it, OpenNebula’s own scripts and scp do not',
      remedy: `# on ${host}, in ~/.bashrc or ~/.ssh/rc of oneadmin: print only where [ -t 1 ] holds`,
    });
  if (state.unzeroedPools.length > 0)
    findings.push({
      id: 'hosts.unzeroed',
      severity: 'fail',
      object: host,
      what: `thin pool without zeroing: ${state.unzeroedPools.join(', ')}`,
      why: 'a guest that writes a few bytes reads what another volume held around them',
      remedy: `# on ${host}, as root:\n${state.unzeroedPools.map((pool) => `lvchange --zero y ${volumeOf(pool)}`).join('\n')}`,
    });
  if (state.suspended.length > 0)
    findings.push({
      id: 'hosts.suspended',
      severity: 'fail',
      object: host,
      what: `I/O is suspended: ${state.suspended.join(', ')}`,
      why: 'VMs that use them hang',
      remedy: `# on ${host}, as root:\ndrbdadm status ${state.suspended[0]}\ndrbdadm resume-io ${state.suspended[0]}   # once the cause is gone`,
    });
  const kernel = Number.parseInt(state.kernel, 10);
  if (kernel >= 6 && state.drbd !== '')
    findings.push({
      id: 'hosts.kernel',
      severity: 'info',
      object: host,
      what: `kernel ${state.kernel} with DRBD may be one of those of linstor-server#525`,
      why: 'fsfreeze on the host, held across a LINSTOR snapshot, leaves the device frozen for good; the driver freezes inside guests only',
      remedy: 'do not run fsfreeze on hosts around snapshots',
    });
  return findings;
}

function checkRest(host: string, state: HostFacts): Finding[] {
  const findings: Finding[] = [];
  if (!state.stagingWritable)
    findings.push({
      id: 'hosts.staging',
      severity: 'fail',
      object: host,
      what: `${hostStagingDir} is missing or cannot be written`,
      why: 'chunks of a device that is copied to another host are put there',
      remedy: `# on ${host}, as root:\ninstall -d -m 1777 ${hostStagingDir}`,
    });
  else if (state.stagingFreeKib < 512 * 1024)
    findings.push({
      id: 'hosts.staging',
      severity: 'warn',
      object: host,
      what: `${hostStagingDir} has ${humanSize(bytes(state.stagingFreeKib * 1024))} free`,
      why: 'a copy to another host puts up to 256 MiB of chunks there',
      remedy: `ssh ${host} df -h ${hostStagingDir}   # free space there`,
    });
  const skew = Math.abs(state.clock * 1000 - state.askedAt);
  if (state.clock > 0 && skew > 5000)
    findings.push({
      id: 'hosts.clock',
      severity: 'warn',
      object: host,
      what: `its clock differs by ${Math.round(skew / 1000)} s`,
      why: 'timestamps in logs do not match, and certificates may appear not yet valid',
      remedy: `# on ${host}, as root:\ntimedatectl set-ntp true`,
    });
  return findings;
}
