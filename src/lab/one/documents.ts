import {
  type Attributes,
  datastoreOf,
  type HistoryRecord,
  type LabDatastore,
  type LabHook,
  type LabHost,
  type LabImage,
  type LabSystemSnapshot,
  type LabVm,
  type OneState,
  type SnapshotList,
} from './model.ts';

/**
 * XML documents in oned's shape: order of elements, which values are CDATA, which elements are always there. Held to
 * the documents of a real oned by test (recordings/opennebula).
 */

const escaped = (text: string | number): string =>
  String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const plain = (name: string, value: string | number): string => `<${name}>${escaped(value)}</${name}>`;
const cdata = (name: string, value: string | number): string =>
  `<${name}><![CDATA[${String(value).replaceAll(']]>', ']]]]><![CDATA[>')}]]></${name}>`;

const element = (name: string, ...parts: readonly string[]): string => `<${name}>${parts.join('')}</${name}>`;

/** A template: attributes by name, CDATA. */
function attributes(values: Attributes): string {
  return Object.keys(values)
    .sort()
    .map((name) => cdata(name, values[name] ?? ''))
    .join('');
}

const owner = '<UID>0</UID><GID>0</GID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME>';
const ownerOf = ({ uid = 0 }: Pick<LabImage, 'uid'>): string =>
  uid === 0 ? owner : `<UID>${uid}</UID><GID>1</GID><UNAME>user${uid}</UNAME><GNAME>users</GNAME>`;
const permissions = (group: 0 | 1): string =>
  `<PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M><OWNER_A>0</OWNER_A><GROUP_U>${group}</GROUP_U><GROUP_M>0</GROUP_M>` +
  '<GROUP_A>0</GROUP_A><OTHER_U>0</OTHER_U><OTHER_M>0</OTHER_M><OTHER_A>0</OTHER_A></PERMISSIONS>';

const diskTypes: Readonly<Record<string, number>> = { FILE: 0, CDROM: 1, BLOCK: 2, RBD: 3 };
const diskTypeOf = (datastore: LabDatastore): number =>
  datastore.type === 1 ? 0 : (diskTypes[datastore.template['DISK_TYPE']?.toUpperCase() ?? 'FILE'] ?? 0);

export function datastoreXml(state: OneState, datastore: LabDatastore, location: string): string {
  const images = state.images.filter((image) => image.datastoreId === datastore.id).map((image) => image.id);
  return element(
    'DATASTORE',
    plain('ID', datastore.id),
    owner,
    plain('NAME', datastore.name),
    permissions(1),
    cdata('DS_MAD', datastore.dsMad),
    cdata('TM_MAD', datastore.tmMad),
    cdata('BASE_PATH', `${location}/${datastore.id}`),
    plain('TYPE', datastore.type),
    plain('DISK_TYPE', diskTypeOf(datastore)),
    '<STATE>0</STATE><CLUSTERS><ID>0</ID></CLUSTERS>',
    plain('TOTAL_MB', datastore.totalMb),
    plain('FREE_MB', datastore.freeMb),
    plain('USED_MB', datastore.usedMb),
    ids('IMAGES', images),
    element('TEMPLATE', attributes(datastore.template)),
  );
}

function snapshotsXml(list: SnapshotList, diskId?: number): string {
  const snapshots = list.snapshots.map((snapshot) =>
    element(
      'SNAPSHOT',
      snapshot.active ? cdata('ACTIVE', 'YES') : '',
      snapshot.children.length > 0 ? cdata('CHILDREN', snapshot.children.join(',')) : '',
      cdata('DATE', snapshot.date),
      cdata('ID', snapshot.id),
      cdata('NAME', snapshot.name),
      cdata('PARENT', snapshot.parent),
      cdata('SIZE', snapshot.sizeMb),
    ),
  );
  return element(
    'SNAPSHOTS',
    cdata('ALLOW_ORPHANS', list.allowOrphans),
    cdata('CURRENT_BASE', list.currentBase),
    diskId === undefined ? '' : cdata('DISK_ID', diskId),
    cdata('NEXT_SNAPSHOT', list.next),
    ...snapshots,
  );
}

const ids = (name: string, values: readonly number[]): string =>
  element(name, ...values.map((value) => plain('ID', value)));

export function imageXml(state: OneState, image: LabImage, options: { fsType?: boolean } = {}): string {
  const datastore = datastoreOf(state, image.datastoreId);
  const template: Attributes = {
    ...image.template,
    ...(image.persistentType === '' ? {} : { PERSISTENT_TYPE: image.persistentType }),
  };
  const clones = state.images.filter((other) => other.cloningId === image.id).map((other) => other.id);
  // Before 6.0 format and file system are one element (contract §10.2).
  const format = options.fsType
    ? cdata('FSTYPE', image.format)
    : cdata('FORMAT', image.format) + cdata('FS', image.fs);
  return element(
    'IMAGE',
    plain('ID', image.id),
    ownerOf(image),
    plain('NAME', image.name),
    permissions(0),
    plain('TYPE', image.type),
    plain('DISK_TYPE', diskTypeOf(datastore)),
    plain('PERSISTENT', image.persistent ? 1 : 0),
    plain('REGTIME', image.regtime),
    plain('MODTIME', image.regtime),
    cdata('SOURCE', image.source),
    cdata('PATH', image.path),
    format,
    plain('SIZE', image.sizeMb),
    plain('STATE', image.state),
    plain('PREV_STATE', image.state === 4 ? 0 : image.state),
    plain('RUNNING_VMS', image.vms.length),
    plain('CLONING_OPS', clones.length),
    plain('CLONING_ID', image.cloningId),
    plain('TARGET_SNAPSHOT', image.targetSnapshot),
    plain('DATASTORE_ID', image.datastoreId),
    plain('DATASTORE', datastore.name),
    ids('VMS', image.vms),
    ids('CLONES', clones),
    '<APP_CLONES></APP_CLONES>',
    element('TEMPLATE', attributes({ DEV_PREFIX: 'sd', ...template })),
    snapshotsXml(image.snapshots),
    element(
      'BACKUP_INCREMENTS',
      ...(image.increments ?? []).map(({ id, source }) =>
        element('INCREMENT', cdata('ID', id), cdata('SOURCE', source)),
      ),
    ),
    ids('BACKUP_DISK_IDS', image.backupDisks ?? []),
  );
}

function historyXml(vm: LabVm, record: HistoryRecord): string {
  return element(
    'HISTORY',
    plain('OID', vm.id),
    plain('SEQ', record.seq),
    plain('HOSTNAME', record.hostname),
    plain('HID', record.hostId),
    '<CID>0</CID>',
    plain('STIME', record.stime),
    '<ETIME>0</ETIME>',
    cdata('VM_MAD', 'kvm'),
    cdata('TM_MAD', record.tmMad),
    plain('DS_ID', record.datastoreId),
    '<PLAN_ID>-2</PLAN_ID><ACTION_ID>-1</ACTION_ID><PSTIME>0</PSTIME><PETIME>0</PETIME>',
    plain('RSTIME', record.stime),
    '<RETIME>0</RETIME><ESTIME>0</ESTIME><EETIME>0</EETIME><ACTION>0</ACTION><UID>-1</UID><GID>-1</GID><REQUEST_ID>-1</REQUEST_ID>',
  );
}

const backupDefaults: Attributes = {
  BACKUP_VOLATILE: 'NO',
  FS_FREEZE: 'NONE',
  INCREMENTAL_BACKUP_ID: '-1',
  INCREMENT_MODE: 'CBT',
  INTERACTIVE: 'NO',
  KEEP_LAST: '',
  LAST_INCREMENT_ID: '-1',
  MODE: 'FULL',
};

function systemSnapshotXml(vm: LabVm, { id, name, time, hypervisorId, action }: LabSystemSnapshot): string {
  return element(
    'SNAPSHOT',
    attributes({
      ...(action === undefined ? {} : { ACTION: action, ACTIVE: 'YES' }),
      HYPERVISOR_ID: hypervisorId,
      NAME: name,
      SNAPSHOT_ID: String(id),
      SYSTEM_DISK_SIZE: String(vm.memoryMb),
      TIME: String(time),
    }),
  );
}

/** TEMPLATE has its attributes and sections in one alphabetical order. */
function vmTemplate(vm: LabVm): string {
  const sections = new Map<string, string>();
  const flat: Attributes = { CPU: '0.1', ...vm.template, MEMORY: String(vm.memoryMb), VMID: String(vm.id) };
  const system = vm.history.at(-1)?.tmMad;
  if (system !== undefined) flat['TM_MAD_SYSTEM'] = system;
  for (const [name, value] of Object.entries(flat)) sections.set(name, cdata(name, value));
  if (vm.context) sections.set('CONTEXT', element('CONTEXT', attributes(vm.context)));
  if (vm.systemSnapshots?.length)
    sections.set('SNAPSHOT', vm.systemSnapshots.map((each) => systemSnapshotXml(vm, each)).join(''));
  sections.set('DISK', vm.disks.map((disk) => element('DISK', attributes(disk.attributes))).join(''));
  return [...sections.keys()]
    .sort()
    .map((name) => sections.get(name))
    .join('');
}

/** `history: 'last'` is what drivers get on stdin; the API shows all records. */
export function vmXml(vm: LabVm, options: { history: 'all' | 'last'; backupResult?: string }): string {
  const history = options.history === 'last' ? vm.history.slice(-1) : vm.history;
  const snapshots = Object.entries(vm.snapshots).map(([disk, list]) => snapshotsXml(list, Number(disk)));
  return element(
    'VM',
    plain('ID', vm.id),
    owner,
    plain('NAME', vm.name),
    permissions(0),
    '<LAST_POLL>0</LAST_POLL>',
    plain('STATE', vm.state),
    plain('LCM_STATE', vm.lcmState),
    plain('PREV_STATE', vm.state),
    plain('PREV_LCM_STATE', vm.lcmState),
    '<RESCHED>0</RESCHED>',
    plain('STIME', vm.stime),
    '<ETIME>0</ETIME>',
    plain('DEPLOY_ID', vm.deployId),
    '<MONITORING/><SCHED_ACTIONS/>',
    element('TEMPLATE', vmTemplate(vm)),
    vm.userTemplate ? element('USER_TEMPLATE', attributes(vm.userTemplate)) : '<USER_TEMPLATE/>',
    element('HISTORY_RECORDS', ...history.map((record) => historyXml(vm, record))),
    ...snapshots,
    element(
      'BACKUPS',
      element('BACKUP_CONFIG', attributes({ ...backupDefaults, ...vm.backup })),
      '<BACKUP_IDS/>',
    ),
    options.backupResult === undefined ? '' : plain('BACKUP_RESULT', options.backupResult),
  );
}

export function hookXml(hook: LabHook): string {
  return element(
    'HOOK',
    plain('ID', hook.id),
    plain('NAME', hook.name),
    '<TYPE>state</TYPE>',
    element(
      'TEMPLATE',
      plain('COMMAND', hook.command),
      plain('ARGUMENTS', hook.arguments),
      '<RESOURCE>HOST</RESOURCE><STATE>ERROR</STATE><REMOTE>NO</REMOTE>',
    ),
  );
}

export function hostXml(host: LabHost): string {
  return element(
    'HOST',
    plain('ID', host.id),
    plain('NAME', host.name),
    plain('STATE', host.state),
    plain('PREV_STATE', host.state),
    '<IM_MAD><![CDATA[kvm]]></IM_MAD><VM_MAD><![CDATA[kvm]]></VM_MAD><CLUSTER_ID>0</CLUSTER_ID><CLUSTER>default</CLUSTER>',
    '<TEMPLATE></TEMPLATE>',
  );
}

/** The document of datastore and export actions (contract §1.2). */
export const actionData = (...parts: readonly string[]): string => element('DS_DRIVER_ACTION_DATA', ...parts);
