/**
 * The closed set of error codes. Each has a remedy of its own and a line in docs/reference.md
 * (generated from this table). Codes are stable: operators search for them.
 */
export const errorCodes = {
  USAGE: { remedy: 'see `linstor_un --help`' },
  UNKNOWN_ACTION: { remedy: 'call one of the actions that `linstor_un actions` lists' },
  BAD_MESSAGE: {
    remedy:
      'the driver message could not be read; check that the driver was called by OpenNebula and that its version is supported',
  },
  BAD_ARGUMENT: { remedy: 'check the arguments in the log line of the failed call' },
  BAD_ATTRIBUTE: { remedy: 'correct the attribute with `onedatastore update`' },
  PERMISSION: { remedy: 'run the command as root' },
  BAD_CONFIG: { remedy: 'correct the configuration file linstor_un.conf' },
  ONE_UNREACHABLE: {
    remedy: 'check that oned runs and that the oneadmin session file is readable (ONE_AUTH, ~/.one/one_auth)',
  },
  ONE_REFUSED: { remedy: 'check the credentials in the oneadmin session file' },
  ONE_NOT_FOUND: { remedy: 'the object does not exist in OpenNebula; nothing was changed' },
  ONE_INCOMPLETE: { remedy: 'OpenNebula’s document lacks what the action needs; nothing was changed' },
  LINSTOR_UNREACHABLE: {
    remedy: 'check LS_CONTROLLERS, the controller service and the network (`linstor_un doctor`)',
  },
  LINSTOR_TIMEOUT: { remedy: 'check the load and the log of the controller, then retry the operation' },
  LINSTOR_FORGOTTEN: {
    remedy:
      'what was forgotten was taken back or waits for the same action: retry it once the controller is there for good (`linstor node list`)',
  },
  LINSTOR_AUTH: { remedy: 'check LS_CERTFILE, LS_KEYFILE, LS_CAFILE or the token' },
  LINSTOR_TLS: { remedy: 'check LS_CAFILE, LS_CERTFILE and LS_KEYFILE and the host name in the certificate' },
  LINSTOR_REPLY: {
    remedy:
      'the controller’s answer could not be understood; check that LS_CONTROLLERS names a LINSTOR controller',
  },
  LINSTOR_CLIENT: { remedy: 'install linstor-client on the front-end, or set TRANSPORT=rest' },
  LINSTOR_ERROR: { remedy: 'see the LINSTOR error report' },
  LINSTOR_NOT_FOUND: { remedy: 'check with `linstor resource-definition list`' },
  LINSTOR_EXISTS: {
    remedy: 'an object of that name exists and is not ours; look at it before anything is removed',
  },
  LINSTOR_NO_SPACE: {
    remedy: 'free or add space (`linstor storage-pool list`), or lower the number of replicas',
  },
  LINSTOR_IN_USE: { remedy: 'stop whatever holds the device open, then retry' },
  LINSTOR_NODE_OFFLINE: { remedy: 'bring the satellite back (`linstor node list`), then retry' },
  LINSTOR_NOT_UPTODATE: {
    remedy: 'wait until the resource is in sync (`linstor resource list`), then retry',
  },
  LINSTOR_UNSUPPORTED: { remedy: 'use a storage pool or a LINSTOR version that supports it' },
  LINSTOR_LOCKED: { remedy: 'unlock the master passphrase: `linstor encryption enter-passphrase`' },
  LINSTOR_DELETING: {
    remedy: 'the object is being deleted; bring its nodes online and wait until it is gone',
  },
  NODE_UNKNOWN: {
    remedy: 'add the host to LINSTOR under its name, or map it with NODE_MAP in linstor_un.conf',
  },
  NOT_REACHABLE_FROM_HOST: {
    remedy: 'place the VM on the node that holds the volume, or use a resource group with the DRBD layer',
  },
  NO_REPLICA: {
    remedy:
      'the resource has no replica with a disk; look at it with `linstor resource list` before anything else',
  },
  PLACEMENT: { remedy: 'correct RESOURCE_GROUP, STORAGE_POOL, NODE_LIST or REPLICA_COUNT' },
  NOT_OURS: { remedy: 'the object was not made by this driver; it is left as it is' },
  IN_USE: { remedy: 'detach the disk or stop the VM that uses it, then retry' },
  SHRINK: { remedy: 'volumes only grow; use a new disk of the smaller size' },
  DEVICE_MISSING: { remedy: 'check the satellite and udev on the host, then retry' },
  DEVICE_IDENTITY: {
    remedy:
      'compare `linstor volume list` with the device on the host (`drbdsetup status`, `dmsetup info`, `losetup`); nothing was read or written',
  },
  DEVICE_SIZE: { remedy: 'check the resource with `linstor volume list` and the host’s kernel log' },
  HOST_UNREACHABLE: { remedy: 'check that oneadmin can reach the host by ssh without a password' },
  HOST_TIMEOUT: { remedy: 'the host did not answer in time; check its load and retry' },
  HOST_COMMAND: { remedy: 'run the command on the host as oneadmin and fix what it reports' },
  NO_BRIDGE: { remedy: 'enable a host of BRIDGE_LIST, or add hosts whose satellite is online' },
  LOCK_TIMEOUT: { remedy: 'another action works on the same object; wait for it and retry' },
  LOCK_LOST: {
    remedy:
      'another front-end has gone on with this object; look at what it did (`linstor_un trace`), then retry',
  },
  IMAGE_PATH: {
    remedy: 'move the file below one of SAFE_DIRS, or change SAFE_DIRS/RESTRICTED_DIRS of the datastore',
  },
  IMAGE_SOURCE: {
    remedy: 'use an address that images may come from, or allow it with ALLOW_SOURCES or ALLOW_SCHEMES',
  },
  IMAGE_FORMAT: { remedy: 'convert the image to a plain raw or qcow2 file first' },
  IMAGE_HOSTILE: {
    remedy:
      'the image refers to other files and is refused; flatten it with `qemu-img convert` where it came from',
  },
  IMAGE_CHECKSUM: { remedy: 'the file is not the one the checksum was made of; fetch it again' },
  IMAGE_SIZE: { remedy: 'check the image with `qemu-img info`' },
  IMAGE_FETCH: { remedy: 'check the address and that the front-end can reach it' },
  IMAGE_VERIFY: { remedy: 'the written data differ from the source; check the storage of the host' },
  SNAPSHOT: { remedy: 'check with `linstor snapshot list`' },
  FREEZE: { remedy: 'check the guest agent in the VM' },
  NOT_SUPPORTED: { remedy: 'this operation is not available with this driver' },
  LAB: { remedy: 'see `linstor_un lab status` and the file lab.log in the lab’s directory' },
  INTERRUPTED: { remedy: 'the action was stopped; retry the operation' },
  INTERNAL: { remedy: 'this is a defect of the driver; please report it with the log' },
} as const satisfies Record<string, { readonly remedy: string }>;

export type ErrorCode = keyof typeof errorCodes;
