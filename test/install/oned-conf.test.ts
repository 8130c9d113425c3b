import { describe, expect, test } from 'bun:test';
import { registerInOnedConf } from '../../src/install/oned-conf.ts';
import { revertInOnedConf } from '../../src/install/oned-revert.ts';
import { attributeOf, parseOnedConf, singlesOf, vectorsOf } from '../../src/install/oned-syntax.ts';
import { ioClassAttributes, ioClasses, localActions } from '../../src/install/registration.ts';
import { onedConf } from './fixtures.ts';

const registered = registerInOnedConf(onedConf);

function section(text: string, kind: string, name: string): Record<string, string> {
  const found = vectorsOf(parseOnedConf(text), kind).find(
    (item) => attributeOf(item, 'NAME')?.value.text === name,
  );
  return Object.fromEntries((found?.attributes ?? []).map((item) => [item.name, item.value.text]));
}

function args(text: string, kind: string, index = 0): string | undefined {
  const found = vectorsOf(parseOnedConf(text), kind)[index];
  return found && attributeOf(found, 'ARGUMENTS')?.value.text;
}

describe('reading', () => {
  test('entries in order, comments left out, values over several lines whole', () => {
    const entries = parseOnedConf(onedConf);
    expect(entries.map((item) => item.name)).toEqual([
      'LOG',
      'SCRIPTS_REMOTE_DIR',
      'DB',
      'VNC_PORTS',
      'PORT',
      'EMPTY_ONE',
      'FEDERATION',
      'VM_MAD',
      'VM_MAD',
      'VM_MAD',
      'TM_MAD',
      'DATASTORE_MAD',
      'HM_MAD',
      'VM_RESTRICTED_ATTR',
      'DATASTORE_ENCRYPTED_ATTR',
      'INHERIT_DATASTORE_ATTR',
      'INHERIT_DATASTORE_ATTR',
      'INHERIT_DATASTORE_ATTR',
      'TM_MAD_CONF',
      'TM_MAD_CONF',
      'DS_MAD_CONF',
      'VN_MAD_CONF',
      'IMAGE_RESTRICTED_ATTR',
      'VM_RESTRICTED_ATTR',
    ]);
    expect(section(onedConf, 'VM_MAD', 'kvm')['IMPORTED_VMS_ACTIONS']).toBe(
      'terminate, terminate-hard, hold,\n        release, suspend',
    );
    expect(singlesOf(entries, 'EMPTY_ONE')[0]?.value.text).toBe('');
    expect(singlesOf(entries, 'SCRIPTS_REMOTE_DIR')[0]?.value.text).toBe('/var/tmp/one');
  });

  test('positions give back the file', () => {
    for (const entry of parseOnedConf(onedConf)) {
      expect(onedConf.slice(entry.nameSpan.start, entry.nameSpan.end)).toBe(entry.name);
    }
  });

  test.each([
    ['A = [ B = "x"\nC = "y" ]', 'line 2'],
    ['A = 1\nB = [ C = "x"', 'line 2'],
    ['A = "x', 'line 1'],
    ['A\n', 'line 1'],
    ['A = 1\nB = x y\n', 'line 2'],
    ['\n\n= 3', 'line 3'],
  ])('%j is refused with its line', (text, line) => {
    expect(() => parseOnedConf(text)).toThrow(line);
  });
});

/** Disks of ours below system datastores of the drivers ssh and shared: they stay in LINSTOR (contract §3.8). */
const systemModes = {
  TM_MAD_SYSTEM: 'ssh,shared',
  LN_TARGET_SSH: 'NONE',
  CLONE_TARGET_SSH: 'SELF',
  DISK_TYPE_SSH: 'BLOCK',
  LN_TARGET_SHARED: 'NONE',
  CLONE_TARGET_SHARED: 'SELF',
  DISK_TYPE_SHARED: 'BLOCK',
};

const ours = Object.entries(localActions)
  .map(([action, script]) => `${action}=${script}`)
  .join(',');

describe('registering', () => {
  test('snapshots of whole VMs join what an earlier release has registered, and all of it is taken back', () => {
    const before = registerInOnedConf(onedConf);
    const older = before.text.replaceAll(`,${ours.split(',').slice(2).join(',')}`, '');
    expect(older).toContain('-l save=save_linstor_un,restore=restore_linstor_un');
    const now = registerInOnedConf(older);
    expect(now.text).toBe(before.text);
    expect(revertInOnedConf(now.text, now.edits)).toBe(older);
  });

  test('the lists', () => {
    expect(args(registered.text, 'TM_MAD')).toBe('-t 15 -d dummy,lvm,shared,ssh,linstor_un');
    expect(args(registered.text, 'DATASTORE_MAD')).toBe(
      '-t 15 -d dummy,fs,lvm,linstor_un -s shared,ssh,linstor_un',
    );
  });

  test('local actions for kvm and qemu, not for lxc', () => {
    const local = `-l ${ours}`;
    expect(args(registered.text, 'VM_MAD', 0)).toBe(`-t 15 -r 0 kvm -p ${local}`);
    expect(args(registered.text, 'VM_MAD', 1)).toBe(`-t 15 -r 0 kvm ${local}`);
    expect(args(registered.text, 'VM_MAD', 2)).toBe('-t 15 -r 0 lxc');
  });

  test('the sections', () => {
    expect(section(registered.text, 'TM_MAD_CONF', 'linstor_un')).toEqual({
      NAME: 'linstor_un',
      LN_TARGET: 'NONE',
      CLONE_TARGET: 'SELF',
      SHARED: 'YES',
      DRIVER: 'raw',
      DISK_TYPE: 'BLOCK',
      ALLOW_ORPHANS: 'YES',
      DS_MIGRATE: 'YES',
      DS_LIVE_MIGRATE: 'NO',
      DS_MIGRATE_SNAP: 'YES',
      ...systemModes,
    });
    expect(section(registered.text, 'DS_MAD_CONF', 'linstor_un')).toEqual({
      NAME: 'linstor_un',
      REQUIRED_ATTRS: 'DISK_TYPE',
      PERSISTENT_ONLY: 'NO',
      MARKETPLACE_ACTIONS: 'export',
    });
    expect(
      singlesOf(parseOnedConf(registered.text), 'DATASTORE_ENCRYPTED_ATTR').map((item) => item.value.text),
    ).toEqual(['RESTIC_PASSWORD', 'LS_TOKEN', 'LS_PASSWORD']);
    expect(singlesOf(parseOnedConf(registered.text), 'INHERIT_DATASTORE_ATTR')).toHaveLength(3);
  });

  test('nothing else: without the new lines and words the file is the old one', () => {
    const kept = new Set(registered.text.split('\n'));
    const gone = onedConf.split('\n').filter((line) => !kept.has(line));
    expect(gone).toHaveLength(4);
    expect(gone.every((line) => line.includes('ARGUMENTS'))).toBe(true);
    expect(registered.kept).toEqual([]);
    expect(registered.conflicts).toEqual([]);
  });

  test('classes of service, where they are asked for: each once, kept by later runs, and taken back', () => {
    const asked = registerInOnedConf(onedConf, ioClasses);
    const value = 'INHERIT_DATASTORE_ATTR = "TOTAL_IOPS_SEC"';
    expect(ioClassAttributes).toHaveLength(18);
    for (const name of ioClassAttributes) expect(asked.text.split(`"${name}"`)).toHaveLength(2);
    expect(registered.text).not.toContain(value);
    expect(registerInOnedConf(asked.text).text).toBe(asked.text);
    expect(revertInOnedConf(asked.text, asked.edits)).toBe(onedConf);
  });

  test('a second run changes nothing', () => {
    const again = registerInOnedConf(registered.text);
    expect(again.text).toBe(registered.text);
    expect(again.edits).toEqual([]);
  });

  test.each([
    ['-t 15 -d dummy', '-t 15 -d dummy,linstor_un'],
    ['-ddummy,ssh -t 15', '-ddummy,ssh,linstor_un -t 15'],
    ['--tm-types=dummy', '--tm-types=dummy,linstor_un'],
    ['--tm-types dummy -t 15', '--tm-types dummy,linstor_un -t 15'],
    ['-d dummy, -t 15', '-d dummy,linstor_un, -t 15'],
    ['-t 15', '-t 15'],
    ['-t 15 -d linstor_un,dummy', '-t 15 -d linstor_un,dummy'],
    ['-d xlinstor_un', '-d xlinstor_un,linstor_un'],
  ])('TM_MAD %j', (before, after) => {
    const text = onedConf.replace('"-t 15 -d dummy,lvm,shared,ssh"', `"${before}"`);
    const result = registerInOnedConf(text);
    expect(args(result.text, 'TM_MAD')).toBe(after);
    expect(revertInOnedConf(result.text, result.edits)).toBe(text);
  });

  test('an -l list that exists is added to; a script of somebody else stays and is named', () => {
    const text = onedConf
      .replace('"-t 15 -r 0 kvm -p"', '"-t 15 -r 0 -l migrate,poll=mine kvm"')
      .replace('"-t 15 -r 0 kvm"', '"-l save=tmsave,restore=tmrestore kvm"');
    const result = registerInOnedConf(text);
    expect(args(result.text, 'VM_MAD', 0)).toBe(`-t 15 -r 0 -l migrate,poll=mine,${ours} kvm`);
    expect(args(result.text, 'VM_MAD', 1)).toBe(
      `-l save=tmsave,restore=tmrestore,${ours.split(',').slice(2).join(',')} kvm`,
    );
    expect(result.conflicts).toHaveLength(2);
    expect(result.conflicts[0]).toContain('“save=tmsave”');
    expect(revertInOnedConf(result.text, result.edits)).toBe(text);
  });

  test('the sections of the bash driver keep their values and get what they lack', () => {
    const text = `${onedConf}TM_MAD_CONF = [
    NAME = "linstor_un", LN_TARGET = "NONE", CLONE_TARGET = "SYSTEM", SHARED = "yes",
    DS_MIGRATE = "YES", ALLOW_ORPHANS="yes"
]

DS_MAD_CONF = [
    NAME = "linstor_un", PERSISTENT_ONLY = "NO",
    MARKETPLACE_ACTIONS = "export"
]`;
    const result = registerInOnedConf(text);
    expect(section(result.text, 'TM_MAD_CONF', 'linstor_un')).toEqual({
      NAME: 'linstor_un',
      LN_TARGET: 'NONE',
      CLONE_TARGET: 'SYSTEM',
      SHARED: 'yes',
      DS_MIGRATE: 'YES',
      ALLOW_ORPHANS: 'yes',
      DRIVER: 'raw',
      DISK_TYPE: 'BLOCK',
      DS_LIVE_MIGRATE: 'NO',
      DS_MIGRATE_SNAP: 'YES',
      ...systemModes,
    });
    expect(section(result.text, 'DS_MAD_CONF', 'linstor_un')).not.toHaveProperty('REQUIRED_ATTRS');
    expect(result.kept).toEqual(['TM_MAD_CONF CLONE_TARGET = "SYSTEM" (a new installation has "SELF")']);
    expect(vectorsOf(parseOnedConf(result.text), 'TM_MAD_CONF')).toHaveLength(3);
    expect(registerInOnedConf(result.text).edits).toEqual([]);
    expect(revertInOnedConf(result.text, result.edits)).toBe(text);
  });

  test('missing attributes are added where there were none, in a file without a last line end', () => {
    const text = onedConf
      .replace(/(?:DATASTORE_ENC|INHERIT_|TM_MAD_CONF = \[[^\]]*\]|DS_MAD_CONF = \[[^\]]*\]).*\n/g, '')
      .trimEnd();
    const result = registerInOnedConf(text);
    expect(
      singlesOf(parseOnedConf(result.text), 'INHERIT_DATASTORE_ATTR').map((item) => item.value.text),
    ).toEqual(['DISK_TYPE', 'ALLOW_ORPHANS']);
    expect(registerInOnedConf(result.text).edits).toEqual([]);
    expect(revertInOnedConf(result.text, result.edits)).toBe(text);
  });

  test('line ends of the file are kept', () => {
    const text = onedConf.replaceAll('\n', '\r\n');
    const result = registerInOnedConf(text);
    expect(result.text.replaceAll('\r\n', '')).not.toContain('\n');
    expect(result.text.replaceAll('\r\n', '\n')).toBe(registered.text);
    expect(revertInOnedConf(result.text, result.edits)).toBe(text);
  });

  test.each([
    ['TM_MAD', 'EXECUTABLE = "one_tm"', 'EXECUTABLE = "other"'],
    ['DATASTORE_MAD', 'EXECUTABLE = "one_datastore"', 'EXECUTABLE = "other"'],
    ['DATASTORE_MAD', ' -s shared,ssh', ''],
  ])('a file without the driver of %s is refused, not mended', (what, from, to) => {
    expect(() => registerInOnedConf(onedConf.replace(from, to))).toThrow(what);
  });
});

describe('taking back', () => {
  test('to the byte', () => {
    expect(revertInOnedConf(registered.text, registered.edits)).toBe(onedConf);
  });

  /** What an administrator may do in between; taking ours out leaves just that. */
  test.each<[string, (text: string) => string]>([
    [
      'another driver behind ours',
      (text) => text.replace(/(-d dummy,lvm,shared,ssh(?:,linstor_un)?)/, '$1,storpool'),
    ],
    ['another driver before ours', (text) => text.replace('-d dummy,lvm', '-d new,dummy,lvm')],
    ['a changed port and a comment', (text) => text.replace('PORT = 2633', 'PORT = 2644 # moved')],
    ['another section behind the last', (text) => `${text}\nTM_MAD_CONF = [ NAME = "x", SHARED = "NO" ]\n`],
    ['a removed section', (text) => text.replace(/VM_MAD = \[\n {4}NAME {11}= "lxc"[^\]]*\]\n/, '')],
    [
      'another encrypted attribute',
      (text) =>
        text.replace(
          'DATASTORE_ENCRYPTED_ATTR = "RESTIC_PASSWORD"\n',
          'DATASTORE_ENCRYPTED_ATTR = "RESTIC_PASSWORD"\nDATASTORE_ENCRYPTED_ATTR = "MINE"\n',
        ),
    ],
    ['more threads', (text) => text.replaceAll('-t 15', '-t 30')],
  ])('%s', (_name, change) => {
    expect(revertInOnedConf(change(registered.text), registered.edits)).toBe(change(onedConf));
  });

  test('our own section, rewritten by hand, goes as a whole', () => {
    const edited = registered.text
      .replace('NAME = "linstor_un", LN_TARGET', 'NAME = "linstor_un",\n    # ours\n    LN_TARGET')
      .replace(', DISK_TYPE = "BLOCK"', '');
    const result = revertInOnedConf(edited, registered.edits);
    expect(vectorsOf(parseOnedConf(result), 'TM_MAD_CONF')).toHaveLength(2);
    expect(result).not.toContain('linstor_un');
  });

  test('what somebody removed already is no fault', () => {
    const edited = onedConf.replace('PORT = 2633', 'PORT = 1');
    expect(revertInOnedConf(edited, registered.edits)).toBe(edited);
  });
});
