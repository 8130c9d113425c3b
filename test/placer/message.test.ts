import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { nextPlacerOf, placerScript } from '../../src/install/launcher.ts';
import { layoutOf } from '../../src/install/layout.ts';
import { registerInOnedConf } from '../../src/install/oned-conf.ts';
import { revertInOnedConf } from '../../src/install/oned-revert.ts';
import { defaultRankOf, withWishes } from '../../src/placer/message.ts';
import { onedConf as oned } from '../install/fixtures.ts';

const vm = (id: number, template: string): string =>
  `<VM><ID>${id}</ID><NAME><![CDATA[</VM><ID>9</ID>]]></NAME><TEMPLATE><MEMORY>1</MEMORY></TEMPLATE><USER_TEMPLATE>${template}</USER_TEMPLATE></VM>`;
const host = (id: number): string =>
  `<HOST><ID>${id}</ID><HOST_SHARE><RUNNING_VMS>1</RUNNING_VMS></HOST_SHARE><TEMPLATE><ARCH>x</ARCH></TEMPLATE></HOST>`;
const message = (...vms: string[]): string =>
  `<SCHEDULER_DRIVER_ACTION><VM_POOL>${vms.join('')}</VM_POOL><HOST_POOL>${host(0)}${host(1)}</HOST_POOL><DATASTORE_POOL/><REQUIREMENTS><VM><ID>7</ID><HOSTS><ID>0</ID><ID>1</ID></HOSTS><DATASTORES><ID>0</ID></DATASTORES></VM></REQUIREMENTS></SCHEDULER_DRIVER_ACTION>`;
const shares = new Map([
  [0, 100],
  [1, 40],
]);

describe('the message of the scheduler', () => {
  test('hosts tell what they hold, and the rank counts that before what it was', () => {
    const xml = withWishes(
      message(vm(7, '<A>b</A>'), vm(8, '')),
      [{ vm: 7, shares, strict: false }],
      '- RUNNING_VMS',
    );
    expect(xml).toContain(
      '<USER_TEMPLATE><A>b</A><SCHED_RANK><![CDATA[10000000 * LINSTOR_UN_LOCAL_7 + (- RUNNING_VMS)]]></SCHED_RANK></USER_TEMPLATE>',
    );
    expect(xml).toContain('<ARCH>x</ARCH><LINSTOR_UN_LOCAL_7>100</LINSTOR_UN_LOCAL_7></TEMPLATE>');
    expect(xml).toContain('<LINSTOR_UN_LOCAL_7>40</LINSTOR_UN_LOCAL_7>');
    expect(xml).toContain(vm(8, ''));
    expect(xml).toContain('<HOSTS><ID>0</ID><ID>1</ID></HOSTS>');
  });
  test('a rank of the user’s own stays, behind the data', () => {
    const given = vm(7, '<SCHED_RANK><![CDATA[FREE_MEM * 2]]></SCHED_RANK>');
    const xml = withWishes(message(given), [{ vm: 7, shares, strict: false }], 'RUNNING_VMS');
    expect(xml.match(/SCHED_RANK>/g)).toHaveLength(2);
    expect(xml).toContain('10000000 * LINSTOR_UN_LOCAL_7 + (FREE_MEM * 2)');
  });
  test('require leaves only hosts with all of the data', () => {
    const xml = withWishes(message(vm(7, '')), [{ vm: 7, shares, strict: true }], '');
    expect(xml).toContain('<HOSTS><ID>0</ID></HOSTS><DATASTORES><ID>0</ID></DATASTORES>');
  });
  test('nothing to wish: byte by byte as it came; a VM that is not there: refused', () => {
    expect(withWishes(message(vm(7, '')), [], 'RUNNING_VMS')).toBe(message(vm(7, '')));
    expect(() => withWishes(message(vm(8, '')), [{ vm: 7, shares, strict: false }], '')).toThrow(
      '0 of 1 VMs',
    );
  });
  test('rank.conf', () => {
    expect(defaultRankOf('DEFAULT_SCHED = [\n   POLICY = 1\n]\n#DEFAULT_SCHED = [\n#  POLICY = 3 ]\n')).toBe(
      '- RUNNING_VMS',
    );
    expect(defaultRankOf('DEFAULT_SCHED = [ POLICY = 3, RANK = "FREE_CPU * 2" ]')).toBe('FREE_CPU * 2');
    expect(defaultRankOf('')).toBe('');
  });
});

describe('the placer on the front-end', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'linstor_un-placer-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const program = (path: string, text: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), `#!/bin/sh\n${text}\n`);
    chmodSync(join(dir, path), 0o755);
  };
  function place(ours: string | undefined): { code: number; given: string; out: string } {
    const layout = { ...layoutOf({}), binary: join(dir, 'bin/linstor_un') };
    const path = 'scheduler/linstor_un/place';
    program(path, '');
    writeFileSync(join(dir, path), placerScript(layout, 'rank'));
    program('scheduler/rank/place', `cat >'${dir}/given'; echo PLAN; exit 3`);
    if (ours !== undefined) program('bin/linstor_un', ours);
    const run = Bun.spawnSync([join(dir, path)], { stdin: Buffer.from('bWVzc2FnZQ==\n') });
    return {
      code: run.exitCode,
      given: readFileSync(join(dir, 'given'), 'utf8'),
      out: run.stdout.toString(),
    };
  }

  test('hands on what the program makes of the message, and gives back what the next one says', () => {
    expect(place('read m; echo "placed-$m"')).toEqual({
      code: 3,
      given: 'placed-bWVzc2FnZQ==\n',
      out: 'PLAN\n',
    });
  });
  test.each([
    ['is missing', undefined],
    ['fails', 'cat >/dev/null; echo half; exit 1'],
    ['says nothing', 'cat >/dev/null'],
    ['is killed', 'kill -9 $$'],
  ])('the message goes on as it came when the program %s', (_, ours) => {
    expect(place(ours)).toEqual({ code: 3, given: 'bWVzc2FnZQ==\n', out: 'PLAN\n' });
  });
  test('knows whom it hands on to', () => {
    expect(nextPlacerOf(placerScript(layoutOf({}), 'one_drs'))).toBe('one_drs');
  });

  const scheduled = `${oned}\nSCHED_MAD = [\n      EXECUTABLE = "one_sched",\n      ARGUMENTS  = "-t 15 -p rank -o one_drs"\n]\n`;
  test('is registered on request, and taken out again to the byte', () => {
    const plain = registerInOnedConf(scheduled);
    expect(plain.text).toContain('-p rank -o one_drs');
    const asked = registerInOnedConf(scheduled, [], true);
    expect(asked.text).toContain('ARGUMENTS  = "-t 15 -p linstor_un -o one_drs"');
    expect(registerInOnedConf(asked.text, [], true).text).toBe(asked.text);
    expect(revertInOnedConf(asked.text, asked.edits)).toBe(scheduled);
  });
  test('is refused before OpenNebula 7', () => {
    expect(() => registerInOnedConf(oned, [], true)).toThrow('no SCHED_MAD section');
  });
});
