import { describe, expect, test } from 'bun:test';
import { isDriverError } from '../../src/errors.ts';
import {
  parseDatastore,
  parseDatastores,
  parseHosts,
  parseImage,
  parseImages,
  parseLeads,
  parseVm,
  parseVms,
  requireDisk,
  snapshotsOf,
} from '../../src/opennebula/documents.ts';
import type { Disk } from '../../src/opennebula/one.ts';
import { readVm } from '../../src/opennebula/vm-document.ts';
import { parseXml } from '../../src/opennebula/xml.ts';
import { recordedCalls } from './recorded-calls.ts';

function vmWith(...disks: string[]): string {
  const inside = disks.map((disk) => `<DISK>${disk}</DISK>`).join('');
  return `<VM><ID>7</ID><STATE>3</STATE><LCM_STATE>1</LCM_STATE><TEMPLATE>${inside}<VMID>7</VMID></TEMPLATE></VM>`;
}

function incomplete(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isDriverError(error, 'ONE_INCOMPLETE')) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

const image =
  '<DISK_ID>0</DISK_ID><SIZE>10</SIZE><SOURCE>/dev/drbd/by-res/one-image-3/0</SOURCE><IMAGE_ID>3</IMAGE_ID>';

describe('kind of a disk', () => {
  test.each<[Disk['kind'], string]>([
    ['clone', `${image}<CLONE>YES</CLONE><SAVE>NO</SAVE>`],
    ['clone', `${image}<CLONE>yes</CLONE>`],
    ['persistent', `${image}<CLONE>NO</CLONE><SAVE>YES</SAVE><PERSISTENT>YES</PERSISTENT>`],
    ['persistent', `${image}<CLONE>NO</CLONE><SAVE>YES</SAVE><READONLY>YES</READONLY>`],
    ['persistent', `${image}<CLONE>NO</CLONE>`],
    ['cdrom', `${image}<CLONE>NO</CLONE><SAVE>NO</SAVE><READONLY>YES</READONLY><TYPE>CDROM</TYPE>`],
    ['cdrom', `${image}<CLONE>NO</CLONE><SAVE>NO</SAVE><TYPE>BLOCK_CDROM</TYPE>`],
    ['immutable', `${image}<CLONE>NO</CLONE><SAVE>NO</SAVE><READONLY>YES</READONLY><TYPE>BLOCK</TYPE>`],
    ['immutable', `${image}<CLONE>NO</CLONE><PERSISTENT_TYPE>IMMUTABLE</PERSISTENT_TYPE>`],
    ['shareable', `${image}<CLONE>NO</CLONE><SAVE>YES</SAVE><SHAREABLE>YES</SHAREABLE>`],
    ['volatile', '<DISK_ID>0</DISK_ID><SIZE>10</SIZE><TYPE>fs</TYPE>'],
    ['volatile', '<DISK_ID>0</DISK_ID><SIZE>10</SIZE><TYPE>swap</TYPE><CLONE></CLONE><SOURCE/>'],
    // What a tenant may write into a volatile disk.
    [
      'volatile',
      '<DISK_ID>0</DISK_ID><SIZE>10</SIZE><TYPE>fs</TYPE><CLONE>NO</CLONE><SOURCE>/dev/drbd/by-res/one-image-5/0</SOURCE>',
    ],
    [
      'volatile',
      '<DISK_ID>0</DISK_ID><SIZE>10</SIZE><TYPE>Swap</TYPE><CLONE>YES</CLONE><IMAGE>other</IMAGE><SHAREABLE>YES</SHAREABLE>',
    ],
    ['filesystem', '<DISK_ID>0</DISK_ID><TYPE>FILESYSTEM</TYPE><SOURCE>/x</SOURCE>'],
  ])('%s', (kind, disk) => {
    expect(parseVm(vmWith(disk)).disks.map((one) => one.kind)).toEqual([kind]);
  });

  test.each([
    ['no DISK_ID', '<SIZE>10</SIZE><TYPE>fs</TYPE>', 'DISK_ID is missing'],
    ['SOURCE without CLONE', image, 'CLONE is missing'],
    [
      'image id without CLONE',
      '<DISK_ID>0</DISK_ID><SIZE>1</SIZE><IMAGE_ID>3</IMAGE_ID>',
      'CLONE is missing',
    ],
    ['image name without CLONE', '<DISK_ID>0</DISK_ID><SIZE>1</SIZE><IMAGE>x</IMAGE>', 'CLONE is missing'],
    ['empty CLONE of an image', `${image}<CLONE/>`, 'CLONE is missing'],
    ['CLONE that is no word of oned’s', `${image}<CLONE>MAYBE</CLONE>`, 'CLONE “MAYBE” is neither'],
    ['CLONE twice', `${image}<CLONE>YES</CLONE><CLONE>NO</CLONE>`, 'CLONE occurs 2 times'],
    ['no SIZE', '<DISK_ID>0</DISK_ID><TYPE>fs</TYPE>', 'SIZE is missing'],
    ['SIZE that is none', '<DISK_ID>0</DISK_ID><SIZE>1G</SIZE><TYPE>fs</TYPE>', 'SIZE “1G” is not a size'],
  ])('never guessed: %s', (_name, disk, reason) => {
    expect(incomplete(() => parseVm(vmWith(disk)))).toContain(reason);
  });

  test('two disks of one id', () => {
    const disk = '<DISK_ID>1</DISK_ID><SIZE>10</SIZE><TYPE>fs</TYPE>';
    expect(incomplete(() => parseVm(vmWith(disk, disk)))).toContain('same DISK_ID');
  });

  test('disks of all recorded VMs: as many clones as there are CLONE=YES', () => {
    const roots = ['VM', 'VMM_DRIVER_ACTION_DATA', 'DS_DRIVER_ACTION_DATA'];
    const vms = recordedCalls
      .map((call) => call.stdin_base64_of ?? call.stdin ?? '')
      .filter((text) => roots.some((root) => text.startsWith(`<${root}>`)))
      .map((text) => parseXml(text, roots))
      .flatMap((document) => (document.name === 'VM' ? [document] : document.all('VM')))
      .map((element) => readVm(element));
    const kinds = vms.flatMap((vm) => vm.disks.map((disk) => disk.kind));
    const counts = Object.fromEntries(
      [...Map.groupBy(kinds, (kind) => kind)].map(([kind, list]) => [kind, list.length]),
    );
    expect(vms).toHaveLength(170);
    expect(counts).toEqual({
      clone: 184,
      persistent: 170,
      volatile: 222,
      cdrom: 51,
      shareable: 2,
      immutable: 1,
    });
  });
});

describe('VM', () => {
  const xml =
    '<VM><ID>7</ID><NAME>a</NAME><STATE>3</STATE><LCM_STATE>8</LCM_STATE><DEPLOY_ID>one-7</DEPLOY_ID><TEMPLATE>' +
    '<MEMORY><![CDATA[64]]></MEMORY><CONTEXT><DISK_ID>1</DISK_ID></CONTEXT>' +
    `<DISK>${image}<CLONE>YES</CLONE><ORIGINAL_SIZE>8</ORIGINAL_SIZE><TM_MAD>linstor_un</TM_MAD><DATASTORE_ID>100</DATASTORE_ID></DISK>` +
    '</TEMPLATE><HISTORY_RECORDS><HISTORY><SEQ>1</SEQ><HOSTNAME>b</HOSTNAME><HID>2</HID><DS_ID>0</DS_ID></HISTORY>' +
    '<HISTORY><SEQ>0</SEQ><HOSTNAME>a</HOSTNAME><HID>1</HID><DS_ID>0</DS_ID><STIME>5</STIME></HISTORY></HISTORY_RECORDS>' +
    '<SNAPSHOTS><DISK_ID>0</DISK_ID><SNAPSHOT><ID>0</ID><SIZE>8</SIZE><PARENT>-1</PARENT><CHILDREN>1,2</CHILDREN></SNAPSHOT></SNAPSHOTS>' +
    '<BACKUPS><BACKUP_CONFIG><MODE>FULL</MODE></BACKUP_CONFIG></BACKUPS></VM>';

  test('every field', () => {
    const vm = parseVm(xml);
    expect(vm).toMatchObject({
      id: 7,
      name: 'a',
      state: 3,
      lcmState: 8,
      deployId: 'one-7',
      contextDiskId: 1,
      memoryMib: 64,
      xml,
    });
    expect(vm.history.map((record) => [record.seq, record.hostname, record.stime])).toEqual([
      [0, 'a', 5],
      [1, 'b', 0],
    ]);
    expect(vm.backup).toEqual({ MODE: 'FULL' });
    expect(requireDisk(vm, 0)).toMatchObject({
      sizeMib: 10,
      originalSizeMib: 8,
      tmMad: 'linstor_un',
      datastoreId: 100,
      imageId: 3,
    });
    expect(snapshotsOf(vm, 0)).toEqual([
      { id: 0, sizeMib: 8, active: false, parent: -1, children: [1, 2] },
    ] as never);
    expect(snapshotsOf(vm, 4)).toEqual([]);
  });

  test('a disk that is not there stops the action', () => {
    expect(incomplete(() => requireDisk(parseVm(xml), 3))).toContain('VM 7 has no disk 3');
  });

  test.each([
    ['no ID', xml.replace('<ID>7</ID>', ''), 'ID is missing'],
    ['no state', xml.replace('<LCM_STATE>8</LCM_STATE>', ''), 'LCM_STATE is missing'],
    ['no template', '<VM><ID>7</ID><STATE>3</STATE><LCM_STATE>8</LCM_STATE></VM>', 'TEMPLATE is missing'],
    ['empty answer', '', 'root element'],
  ])('refused: %s', (_name, text, reason) => {
    expect(incomplete(() => parseVm(text))).toContain(reason);
  });

  test('forbidden characters in a user attribute do not matter', () => {
    const old = xml.replace('<VM>', '<VM><USER_TEMPLATE><X>\u0003&#2;</X></USER_TEMPLATE>');
    expect(parseVm(old).disks).toHaveLength(1);
  });

  test('a pool with one unreadable VM is no pool', () => {
    expect(
      parseVms(`<VM_POOL>${xml}${xml.replace('<ID>7<', '<ID>8<')}</VM_POOL>`).map((vm) => vm.id),
    ).toEqual([7, 8]);
    expect(parseVms('<VM_POOL/>')).toEqual([]);
    const broken = xml.replace('<CLONE>YES</CLONE>', '').replace('<ID>7<', '<ID>9<');
    expect(incomplete(() => parseVms(`<VM_POOL>${xml}${broken}</VM_POOL>`))).toContain('disk 0 of VM 9');
  });
});

describe('image, datastore, host', () => {
  test('FSTYPE of old releases and FS of new ones', () => {
    const of = (extra: string): string => parseImage(`<IMAGE><ID>1</ID><SIZE>5</SIZE>${extra}</IMAGE>`).fs;
    expect(of('<FSTYPE>save_as</FSTYPE>')).toBe('save_as');
    expect(of('<FORMAT>raw</FORMAT><FS>ext4</FS>')).toBe('ext4');
    expect(of('')).toBe('');
  });

  test('no target snapshot and no datastore are absent, not -1', () => {
    const parsed = parseImage(
      '<IMAGE><ID>1</ID><SIZE>5</SIZE><TARGET_SNAPSHOT>-1</TARGET_SNAPSHOT><DATASTORE_ID>-1</DATASTORE_ID></IMAGE>',
    );
    expect('targetSnapshot' in parsed || 'datastoreId' in parsed).toBeFalse();
  });

  test.each([
    '<IMAGE><SIZE>5</SIZE></IMAGE>',
    '<IMAGE><ID>1</ID></IMAGE>',
    '<IMAGE><ID>-1</ID><SIZE>5</SIZE></IMAGE>',
  ])('refused: %s', (xml) => {
    expect(incomplete(() => parseImage(xml))).toMatch(/ID|SIZE/);
  });

  test('pools', () => {
    expect(parseImages('<IMAGE_POOL><IMAGE><ID>1</ID><SIZE>5</SIZE></IMAGE></IMAGE_POOL>')).toHaveLength(1);
    expect(
      parseDatastores(
        '<DATASTORE_POOL><DATASTORE><ID>0</ID><NAME>s</NAME><TYPE>1</TYPE></DATASTORE></DATASTORE_POOL>',
      ),
    ).toMatchObject([{ id: 0, name: 's', type: 1, template: {} }]);
    expect(incomplete(() => parseDatastore('<DATASTORE><NAME>x</NAME></DATASTORE>'))).toContain(
      'ID is missing',
    );
  });

  test('hosts in error, disabled or offline are not enabled', () => {
    const states = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    const xml = states
      .map((state) => `<HOST><ID>${state}</ID><NAME>h${state}</NAME><STATE>${state}</STATE></HOST>`)
      .join('');
    const enabled = parseHosts(`<HOST_POOL>${xml}</HOST_POOL>`).filter((host) => host.enabled);
    expect(enabled.map((host) => host.state)).toEqual([0, 1, 2, 6]);
  });
});

test('a front-end leads when it is alone or the leader of its zone', () => {
  const raft = (state: string): string => `<RAFT><SERVER_ID>1</SERVER_ID><STATE>${state}</STATE></RAFT>`;
  expect(['0', '1', '2', '3'].map((state) => parseLeads(raft(state)))).toEqual([true, false, false, true]);
  expect(() => parseLeads('<RAFT></RAFT>')).toThrow('is missing');
});
