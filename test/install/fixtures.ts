import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A reduced oned.conf with every feature of the syntax that stock and edited files show. */
export const onedConf = `#*******
# Daemon configuration attributes
#*******

LOG = [
  SYSTEM      = "file",
  DEBUG_LEVEL = 3,
  USE_VMS_LOCATION = "NO"
]

#MANAGER_TIMER = 15
SCRIPTS_REMOTE_DIR=/var/tmp/one

DB = [ BACKEND = "sqlite",
       TIMEOUT = 2500 ]

# DB = [ BACKEND = "mysql" ]

VNC_PORTS = [
    START    = 5900,
    RESERVED = "32768:65536"
    # RESERVED = "6800, 6801"
]

PORT = 2633
EMPTY_ONE =

FEDERATION = [
    MODE          = "STANDALONE",
    ZONE_ID       = 0,
    SERVER_ID     = -1,
    MASTER_ONED   = ""
]

VM_MAD = [
    NAME           = "kvm",
    SUNSTONE_NAME  = "KVM",
    EXECUTABLE     = "one_vmm_exec",
    ARGUMENTS      = "-t 15 -r 0 kvm -p",
    DEFAULT        = "vmm_exec/vmm_exec_kvm.conf",
    TYPE           = "kvm",
    IMPORTED_VMS_ACTIONS = "terminate, terminate-hard, hold,
        release, suspend"
]

VM_MAD = [
    NAME           = "qemu",
    EXECUTABLE     = "one_vmm_exec",
    ARGUMENTS      = "-t 15 -r 0 kvm",
    TYPE           = "qemu"
]

VM_MAD = [
    NAME           = "lxc",
    EXECUTABLE     = "one_vmm_exec",
    ARGUMENTS      = "-t 15 -r 0 lxc",
    # DEFAULT      = "vmm_exec/vmm_exec_lxc.conf",
    TYPE           = "xml"
]

TM_MAD = [
    EXECUTABLE = "one_tm",
    ARGUMENTS = "-t 15 -d dummy,lvm,shared,ssh"
]

DATASTORE_MAD = [
    EXECUTABLE = "one_datastore",
    ARGUMENTS  = "-t 15 -d dummy,fs,lvm -s shared,ssh"
]

HM_MAD = [
    EXECUTABLE = "one_hm",
    ARGUMENTS = "-p 2101 -l 2102 -b 127.0.0.1"]

VM_RESTRICTED_ATTR = "NIC/MAC"
#VM_RESTRICTED_ATTR = "RANK"

DATASTORE_ENCRYPTED_ATTR = "RESTIC_PASSWORD"

INHERIT_DATASTORE_ATTR  = "CEPH_HOST"
INHERIT_DATASTORE_ATTR  = "DISK_TYPE"   # volatile disks
INHERIT_DATASTORE_ATTR  = "ALLOW_ORPHANS"

TM_MAD_CONF = [
    NAME = "dummy", LN_TARGET = "NONE", CLONE_TARGET = "SYSTEM", SHARED = "YES",
    DS_MIGRATE = "YES"
]

TM_MAD_CONF = [
    NAME = "ssh", LN_TARGET = "SYSTEM", CLONE_TARGET = "SYSTEM", SHARED = "NO",
    DS_MIGRATE = "YES", ALLOW_ORPHANS="YES"
] # local disks

DS_MAD_CONF = [
    NAME = "fs", REQUIRED_ATTRS = "", PERSISTENT_ONLY = "NO",
    MARKETPLACE_ACTIONS = "export"
]

VN_MAD_CONF = [
    NAME = "bridge",
    BRIDGE_TYPE = "linux"
    #openvswitch or openvswitch_dpdk
]

IMAGE_RESTRICTED_ATTR = "SOURCE"
VM_RESTRICTED_ATTR = "DISK/SOURCE"
`;

export const execrc = `# Space separated list of VMM-TM pairs that support live disk snapshots. VMM
# and TM must be separated by '-'
LIVE_DISK_SNAPSHOTS="kvm-qcow2 kvm-ceph qemu-qcow2"

# Space separated list VNM_MAD-ACTION pairs that run locally
VNMAD_LOCAL_ACTIONS="elastic-post elastic-clean"
`;

/** A front-end's tree below a temporary root. */
export class FrontEnd {
  readonly root = mkdtempSync(join(tmpdir(), 'linstor_un-frontend-'));
  readonly binary = join(this.root, 'built-linstor_un');

  constructor() {
    this.write('/etc/one/oned.conf', onedConf, 0o640);
    this.write('/etc/one/vmm_exec/vmm_execrc', execrc, 0o644);
    this.write('/var/lib/one/remotes/VERSION', '7.0.0\n', 0o644);
    this.write('/var/lib/one/remotes/vmm/kvm/save', '#!/bin/bash\n', 0o755);
    this.write('/usr/bin/env', '', 0o755);
    this.write('/usr/lib/one/mads/one_tm', '#!/bin/sh\n', 0o755);
    // Stands for the compiled program: says how it was called.
    writeFileSync(this.binary, '#!/bin/sh\nprintf "%s|" "$@"\n', { mode: 0o755 });
  }

  path(name: string): string {
    return join(this.root, name);
  }

  write(name: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
    chmodSync(this.path(name), mode);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Every path with kind, mode and content or link text: two equal snapshots are two equal trees. */
  snapshot(): Record<string, string> {
    const result: Record<string, string> = {};
    for (const name of readdirSync(this.root, { recursive: true }) as string[]) {
      const stat = lstatSync(this.path(name));
      const mode = (stat.mode & 0o777).toString(8);
      if (stat.isSymbolicLink()) result[name] = `link ${readlinkSync(this.path(name))}`;
      else if (stat.isDirectory()) result[name] = 'directory';
      else result[name] = `file ${mode} ${readFileSync(this.path(name), 'utf8')}`;
    }
    return result;
  }
}
