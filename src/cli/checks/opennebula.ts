import { hostState } from '../../opennebula/states.ts';
import type { Finding } from './check.ts';
import type { Facts } from './facts.ts';

export function checkOpenNebula({ one }: Facts): Finding[] {
  if (!one.version.ok) {
    const { error } = one.version;
    return [
      {
        id: 'opennebula.reach',
        severity: 'fail',
        object: 'oned',
        what: error.message,
        why: 'actions query oned about VMs and datastores and fail without it',
        remedy: error.remedy,
      },
    ];
  }
  const findings: Finding[] = [
    { id: 'opennebula', severity: 'ok', object: 'oned', what: `OpenNebula ${one.version.value} answers` },
  ];
  for (const [what, known] of Object.entries({
    hosts: one.hosts,
    datastores: one.datastores,
    VMs: one.vms,
    images: one.images,
  })) {
    if (!known.ok)
      findings.push({
        id: 'opennebula.read',
        severity: 'fail',
        object: what,
        what: `the list cannot be read: ${known.error.message}`,
        why: 'checks that need it were left out',
        remedy: known.error.remedy,
      });
  }
  if (Number.parseInt(one.version.value, 10) < 5) {
    findings.push({
      id: 'opennebula.version',
      severity: 'fail',
      object: 'oned',
      what: `OpenNebula ${one.version.value} is too old`,
      why: 'the driver interface is supported from 5.8 on',
      remedy: 'upgrade OpenNebula',
    });
  }
  const hosts = one.hosts.ok ? one.hosts.value : [];
  for (const host of hosts.filter((item) => item.state === hostState.ERROR)) {
    findings.push({
      id: 'opennebula.hosts',
      severity: 'warn',
      object: host.name,
      what: 'the host is in state ERROR',
      why: 'no VM is deployed there, and it is not used as a bridge',
      remedy: `onehost show ${host.id}; onehost enable ${host.id}`,
    });
  }
  if (one.hosts.ok && hosts.length === 0)
    findings.push({
      id: 'opennebula.hosts',
      severity: 'info',
      what: 'OpenNebula has no hosts yet',
      remedy: 'onehost create HOST -i kvm -v kvm',
    });
  return findings;
}
