import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { ownBinary } from '../../src/tools/own-binary.ts';
import { FrontEnd } from '../install/fixtures.ts';
import { startLab, type TestLab } from '../support/lab.ts';

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const collection = join(root, 'packaging/ansible');
const bin = join(root, 'node_modules/.cache/ansible/bin');
const playbook = existsSync(join(bin, 'ansible-playbook'));

test('the collection has the version of the program, and every role says what it takes', () => {
  expect(readFileSync(join(collection, 'galaxy.yml'), 'utf8')).toContain(
    `\nversion: ${packageJson.version}\n`,
  );
  for (const role of readdirSync(join(collection, 'roles'))) {
    const text = (name: string): string => readFileSync(join(collection, 'roles', role, name), 'utf8');
    const specs = text('meta/argument_specs.yml');
    const variables = [...text('defaults/main.yml').matchAll(/^(\w+):/gm)].map(([, name]) => name);
    expect(variables.length).toBeGreaterThan(0);
    expect(variables.filter((name) => !specs.includes(`      ${name}:`))).toEqual([]);
  }
});

let lab: TestLab | undefined;
let frontEnd: FrontEnd;
let folder: string;

beforeAll(async () => {
  if (!playbook) return;
  lab = await startLab();
  frontEnd = new FrontEnd();
  folder = join(lab.cluster.paths.root, 'ansible');
  const installed = join(folder, 'collections/ansible_collections/linstor_un/opennebula');
  mkdirSync(installed, { recursive: true });
  cpSync(collection, installed, { recursive: true });
  const hosts = 'localhost ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}';
  writeFileSync(join(folder, 'hosts'), `[frontend]\n${hosts}\n[linstor_controller]\nlocalhost\n`);
  writeFileSync(
    join(folder, 'vars.json'),
    JSON.stringify({
      ansible_become: false,
      linstor_un_command: ownBinary(),
      linstor_un_root: frontEnd.root,
      linstor_un_config: { CLONE_MODE: 'snapshot', RESOURCE_GROUP: "it's one" },
      linstor_un_config_owner: 'root',
      linstor_un_restart: false,
      linstor_un_linstor: join(lab.cluster.paths.bin, 'linstor'),
      linstor_un_resource_groups: [
        {
          name: 'fast',
          place_count: 2,
          storage_pool: 'thin',
          properties: { 'DrbdOptions/Resource/quorum': 'majority', 'Aux/tier': 'fast' },
        },
        { name: 'slow', place_count: 1 },
      ],
      linstor_un_datastores: [{ name: 'fast', group: 'fast', clone_mode: 'snapshot' }],
    }),
  );
}, 120_000);
afterAll(async () => {
  if (!lab) return;
  frontEnd.remove();
  rmSync(folder, { recursive: true, force: true });
  await lab.stop();
});

interface Recap {
  readonly ok: number;
  readonly changed: number;
  readonly failed: number;
  readonly text: string;
}

/** The lab's front-end has no installation: doctor is told that it stands in a lab, or is not. */
let inLab = true;

async function play(book: string, ...options: string[]): Promise<Recap> {
  const argv = [join(bin, 'ansible-playbook'), '-i', 'hosts', '-e', '@vars.json', ...options, book];
  const child = Bun.spawn(argv, {
    cwd: folder,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: {
      ...lab?.cluster.driverEnv(),
      HOME: folder,
      ...(inLab ? { LINSTOR_UN_LAB: lab?.cluster.paths.root } : {}),
      ANSIBLE_COLLECTIONS_PATH: join(folder, 'collections'),
      ANSIBLE_NOCOLOR: '1',
      LC_ALL: 'C.UTF-8',
    },
  });
  const text = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  const count = (word: string): number => Number(new RegExp(`\\b${word}=(\\d+)`).exec(text)?.[1] ?? -1);
  return { ok: count('ok'), changed: count('changed'), failed: count('failed'), text };
}

/** The driver goes into a front-end of its own; all else is the lab's. */
const site = (tasks: string): string => `- hosts: localhost\n  gather_facts: false\n  tasks:\n${tasks}`;
const include = (role: string, vars = ''): string =>
  `    - ansible.builtin.include_role: { name: linstor_un.opennebula.${role} }\n${vars}`;

test.skipIf(!playbook)(
  'the roles: --check tells and changes nothing, the second run changes nothing, and all is well',
  async () => {
    if (!lab) return;
    // `--root` is below ONE_LOCATION, which the lab sets.
    const own = `      vars: { linstor_un_environment: { ONE_LOCATION: '' } }\n`;
    writeFileSync(
      join(folder, 'site.yml'),
      site([include('cluster'), include('driver', own), include('datastores'), include('verify')].join('')),
    );
    writeFileSync(join(folder, 'before.yml'), site([include('cluster'), include('driver', own)].join('')));
    const before = frontEnd.snapshot();
    const look = await play('before.yml', '--check');
    expect(look).toMatchObject({ failed: 0 });
    expect(look.changed).toBe(3);
    for (const missing of ['resource group fast', 'resource group slow', 'fast Aux/tier'])
      expect(look.text).toContain(missing);
    expect(frontEnd.snapshot()).toEqual(before);

    const first = await play('site.yml');
    expect(first.text.slice(-3000)).toContain('failed=0');
    expect(first.changed).toBeGreaterThanOrEqual(5);
    expect(frontEnd.read('/etc/one/oned.conf')).toContain('linstor_un');
    expect(frontEnd.read('/var/lib/one/remotes/etc/datastore/linstor_un/linstor_un.conf')).toContain(
      `RESOURCE_GROUP='it'"'"'s one'\n`,
    );
    const groups = (await lab.linstor('GET', '/v1/resource-groups')) as {
      name: string;
      props?: Record<string, string>;
    }[];
    expect(groups.find(({ name }) => name === 'fast')?.props).toMatchObject({
      'DrbdOptions/Resource/quorum': 'majority',
      'Aux/tier': 'fast',
    });
    const names = [...lab.one.read().datastores].map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['fast-images', 'fast-system']));

    for (const options of [[], ['--check']]) {
      const again = await play('site.yml', ...options);
      expect({
        changed: again.changed,
        failed: again.failed,
        text: again.failed === 0 ? '' : again.text,
      }).toEqual({
        changed: 0,
        failed: 0,
        text: '',
      });
    }

    inLab = false;
    writeFileSync(join(folder, 'verify.yml'), site(include('verify')));
    const bad = await play('verify.yml');
    inLab = true;
    expect(bad).toMatchObject({ failed: 1 });
    expect(bad.text).toContain('the program is missing');
  },
  300_000,
);

test.skipIf(!playbook)('the playbook of the collection is one that Ansible can run', async () => {
  const { text } = await play('linstor_un.opennebula.site', '--syntax-check');
  expect(text).not.toContain('ERROR');
});

if (!playbook) console.warn('not run: the Ansible roles (ansible-core is not installed)');
