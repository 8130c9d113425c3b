import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stories, storyStart } from '../../src/cli/lab/story.ts';
import { ownBinary } from '../../src/tools/own-binary.ts';

/** The lab as a person plays with it: by the commands of the pages and of the program, typed into its shell. */

const program = ownBinary();
let root: string;
/** What `lab env` prints: one start of the program less for every command. */
let environment: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lab-play-'));
  run(program, 'lab', 'up');
  environment = run(program, 'lab', 'env').out;
});
afterEach(() => {
  run(program, 'lab', 'down');
  rmSync(root, { recursive: true, force: true });
});

interface Ran {
  code: number;
  out: string;
}

function spawn(argv: readonly string[], input = ''): Ran {
  const { LS_CONTROLLERS: _, LINSTOR_UN_LAB: __, ...inherited } = process.env;
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], {
    cwd: root,
    stdin: Buffer.from(input),
    env: { ...inherited, HOME: root, XDG_STATE_HOME: join(root, 'state'), PS1: '$ ' },
  });
  return { code: exitCode, out: `${stdout}${stderr}` };
}
const run = (...argv: string[]): Ran => spawn(argv);

/** One command line in the lab's environment. */
const inLab = (line: string): Ran => run('bash', '-c', 'eval "$0"; exec bash -c "$1"', environment, line);

/** The indented lines of a section: what a reader copies. */
function commandsOf(page: string, ...sections: string[]): string {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  return sections
    .map((title) => text.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '')
    .flatMap((section) => section.split('\n'))
    .filter((line) => line.startsWith('    '))
    .map((line) => `${line.slice(4)}\n`)
    .join('');
}

test('steps 3 and 4 of the quick start run word by word, and doctor is content', () => {
  const lines = commandsOf('quick-start.md', '3. Datastores', '4. Image and VM');
  expect(lines).toContain('linstor_un datastore create --yes');
  expect(lines).toContain('onetemplate instantiate alpine --name first');
  const { code, out } = inLab(`set -e\n${lines}`);
  expect([code, out]).toEqual([0, out]);
  for (const shown of ['STATE          : rdy', 'LCM_STATE      : RUNNING', 'linstor-images', 'UpToDate'])
    expect(out).toContain(shown);
  const doctor = inLab('linstor_un doctor');
  expect([doctor.code, doctor.out]).toEqual([0, doctor.out]);
  expect(doctor.out).toMatch(/a lab: its installation/);
});

test('the stories, one after the other: what is said once for all of them is enough', () => {
  const { disk, snapshot, node, ...others } = stories;
  expect(Object.keys(others)).toEqual([]);
  const played = [storyStart, ...[disk, snapshot, node].map((story) => story?.steps ?? [])].flat();
  expect(played.length).toBeGreaterThan(30);
  for (const { command, fails = false } of played) {
    if (/^linstor_un lab (?:up|shell)$/.test(command)) continue;
    const { code, out } = inLab(command);
    expect([command, code !== 0, out]).toEqual([command, fails, out]);
  }
});

test('the shell says that it is the lab, also when it is begun twice', () => {
  const { out } = spawn([program, 'lab', 'shell'], 'echo "<$PS1>"; command -v oneimage\n');
  expect(out).toContain('<(lab) ');
  expect(out).toContain('/bin/oneimage');
  expect(inLab(`eval "$(linstor_un lab env)"; printf '<%s>' "$PS1"`).out).toBe('<(lab) $ >');
});

test('commands for a lab elsewhere name it', () => {
  const dir = join(root, 'else where');
  const up = run(program, 'lab', 'up', '--dir', dir, '--nodes', '1');
  const shown = up.out.split('\n').filter((line) => line.includes(' lab '));
  expect(
    shown.filter((line) => !line.includes(`--dir '${dir}'`) && !line.startsWith('created and started')),
  ).toEqual([]);
  const list = shown.find((line) => line.includes('node list'))?.split('    ')[0] ?? 'false';
  expect(run('bash', '-c', list).out).toContain('node1');
  expect(run(program, 'lab', 'down', '--dir', dir).code).toBe(0);
});

test('rules of the controller are sentences', () => {
  run(program, 'lab', 'break', 'controller', 'POST', 'lose', '--match', 'snapshots', '--times', '1');
  expect(run(program, 'lab', 'status').out).toContain(
    'every POST of the controller whose path fits “snapshots”, at most 1 time is done, but the answer is lost (seen 0, struck 0)',
  );
});

test('what the small oned does not have, or is asked wrongly, is refused', () => {
  for (const [line, said] of [
    ['onevm migrate-offline 0', 'this lab has no “migrate-offline”'],
    ['oneimage show nothing', 'there is no image “nothing”'],
    ['oneimage create --name x --sise 3', "Unknown option '--sise'"],
    ['onedatastore create', 'this command takes <file>'],
  ] as const) {
    const { code, out } = inLab(line);
    expect([line, code]).toEqual([line, 255]);
    expect(out).toContain(said);
  }
});
