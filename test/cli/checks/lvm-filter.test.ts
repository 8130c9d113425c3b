import { describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseProbe } from '../../../src/cli/checks/host-probe.ts';
import { lvmFilterRemedy } from '../../../src/cli/checks/lvm-filter.ts';
import { isCommand } from '../../../src/cli/checks/remedy.ts';

const entriesOf = (lvm: string): readonly string[] => parseProbe(`lvm=${lvm}\n`, 0).lvmFilter ?? [];

/** The file after the remedy's first command, and the copies that it has left. */
function applied(file: string, present: readonly string[]): { after: string; copies: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'lvm-filter-'));
  try {
    writeFileSync(join(folder, 'lvm.conf'), file);
    const [, command = ''] = lvmFilterRemedy('node1', present).split('\n');
    const ran = Bun.spawnSync(['sh', '-c', command.replace('/etc/lvm/lvm.conf', `${folder}/lvm.conf`)]);
    expect([ran.exitCode, ran.stderr.toString()]).toEqual([0, '']);
    const copies = readdirSync(folder).filter((name) => name !== 'lvm.conf');
    return {
      after: readFileSync(join(folder, 'lvm.conf'), 'utf8'),
      copies: copies.map((name) => readFileSync(join(folder, name), 'utf8')),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const around = (lines: string): string =>
  `config {\n\tchecks = 1\n}\ndevices {\n\tdir = "/dev"\n\t# global_filter = [ "a|.*|" ]\n${lines}\tscan = [ "/dev" ]\n}\n`;
const expected = (filter: string): string =>
  around('').replace('devices {\n', `devices {\nglobal_filter = [ ${filter} ]\n`);

describe('the remedy for LVM’s filter', () => {
  test.each([
    ['no filter', '', '', '"r|^/dev/drbd.*|"'],
    [
      'one that accepts everything',
      '\tglobal_filter = [ "a|.*|" ]\n',
      'global_filter=["a|.*|"]',
      '"r|^/dev/drbd.*|"',
    ],
    [
      'its own, spoiled by what follows',
      '  global_filter=["r|^/dev/drbd.*|", "a|.*|"]   # ours\n',
      'global_filter=["r|^/dev/drbd.*|","a|.*|"]',
      '"r|^/dev/drbd.*|", "r|^/dev/block/147:|", "a|.*|"',
    ],
    [
      'one on several lines, of the host’s own',
      '\tglobal_filter = [ "a|^/dev/sd[ab]|",\n\t\t"a|^/dev/.*[0-9]|",\n\t\t"r|.*|"\n\t]\n',
      'global_filter=["a|^/dev/sd[ab]|","a|^/dev/.*[0-9]|","r|.*|"]',
      '"r|^/dev/drbd.*|", "r|^/dev/block/147:|", "a|^/dev/sd[ab]|", "a|^/dev/.*[0-9]|", "r|.*|"',
    ],
  ])('%s', (_, lines, lvm, filter) => {
    const { after, copies } = applied(around(lines), entriesOf(lvm));
    expect(after).toBe(expected(filter));
    expect(copies).toEqual([around(lines)]);
    const readBack = parseProbe(`lvm=global_filter=[${filter}]\n`, 0);
    expect(readBack.lvmScansDrbd).toBe(false);
    // A second run finds its own line.
    expect(applied(after, readBack.lvmFilter ?? []).after.match(/^global_filter/gm)).toHaveLength(1);
  });

  test('says it in words where a shell would change an entry', () => {
    const lines = lvmFilterRemedy('node1', entriesOf(String.raw`global_filter=["r|^/dev/sd\\.|","a|.*|"]`));
    expect(lines).toContain('first in the list of global_filter: "r|^/dev/drbd.*|", "r|^/dev/block/147:|"');
    expect(lines).not.toContain('sed');
    expect(lines.split('\n').filter((line) => !line.startsWith('#') && !isCommand(line))).toEqual([]);
  });
});
