/**
 * `bun src/tools/dist-check.ts DIR`: is what `bun run dist` made whole? Sums, SBOM and licences; the .deb and the .rpm of a machine hold the
 * same files; every program is for its machine, and those that can run here do.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { bundledPackages } from './dist/licences.ts';

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const folder = resolve(Bun.argv[2] ?? join(root, 'dist/release'));
const work = mkdtempSync(join(tmpdir(), 'linstor_un-check-'));
const { version } = packageJson;
const troubles: string[] = [];

/** ELF's numbers, by the names in our files. */
const machines = { x64: 62, arm64: 183 } as const;
const programPath = 'usr/lib/one/linstor_un/linstor_un';
const wanted = [
  programPath,
  'usr/bin/linstor_un',
  'usr/share/man/man1/linstor_un.1.gz',
  'usr/share/man/man1/linstor_un-doctor.1.gz',
  'usr/share/bash-completion/completions/linstor_un',
  'usr/share/zsh/vendor-completions/_linstor_un',
  'usr/share/fish/vendor_completions.d/linstor_un.fish',
  'usr/lib/systemd/system/linstor_un-metrics.timer',
  'usr/share/linstor_un/prometheus/linstor_un.rules.yml',
  'usr/share/linstor_un/grafana/vm-storage-on-linstor.json',
  'usr/share/doc/linstor_un/copyright',
  'usr/share/doc/linstor_un/README.md',
  'usr/share/doc/linstor_un/docs/pictures/status.svg',
  'usr/share/doc/linstor_un/sbom.cdx.json',
];

function check(fine: boolean, trouble: string): void {
  if (!fine) troubles.push(trouble);
}

function run(argv: readonly string[], cwd = folder): { code: number; text: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], { cwd, stdin: 'ignore', stderr: 'pipe' });
  return { code: exitCode, text: `${stdout}${stderr}`.trim() };
}

function unpack(name: string, argv: readonly string[]): string {
  const target = join(work, name);
  mkdirSync(target);
  const { code, text } = run(argv, target);
  check(code === 0, `${name} cannot be unpacked: ${text}`);
  return target;
}

/** What each path is, with the content of files: two equal maps are two equal trees. */
function contentOf(tree: string): Map<string, string> {
  const entries = new Map<string, string>();
  for (const path of (readdirSync(tree, { recursive: true }) as string[]).sort()) {
    const info = statSync(join(tree, path), { throwIfNoEntry: false });
    if (info?.isDirectory()) continue;
    const mode = info === undefined ? 'link' : (info.mode & 0o777).toString(8);
    entries.set(
      path,
      info === undefined ? readlinkSync(join(tree, path)) : `${mode} ${digest(join(tree, path))}`,
    );
  }
  return entries;
}

const digest = (path: string): string =>
  new Bun.CryptoHasher('sha256').update(readFileSync(path)).digest('hex');

function checkTree(name: string, tree: string, machine: keyof typeof machines): void {
  const content = contentOf(tree);
  for (const path of wanted) check(content.has(path), `${name} has no ${path}`);
  const program = join(tree, programPath);
  const head = readFileSync(program).subarray(0, 20);
  check(head.toString('latin1', 1, 4) === 'ELF', `${name}: its program is no program`);
  check(head.readUInt16LE(18) === machines[machine], `${name}: its program is for another machine`);
  check((statSync(program).mode & 0o777) === 0o755, `${name}: its program cannot be run`);
  const pages = [...content.keys()].filter((path) => path.endsWith('.1.gz')).map((path) => join(tree, path));
  const { code, text } = run(['man', '--warnings', '-E', 'UTF-8', '-l', '-Tutf8', ...pages]);
  check(code === 0 && !/warning:/.test(text), `${name}: man complains: ${text.slice(-300)}`);
  checkRuns(name, program, machine);
}

/** On this machine, or by qemu. A program for musl finds no musl here. */
function checkRuns(name: string, program: string, machine: keyof typeof machines): void {
  if (name.includes('musl')) return;
  const emulator = Bun.which('qemu-aarch64-static');
  const argv =
    machine === process.arch
      ? [program]
      : machine === 'arm64' && emulator !== null
        ? [emulator, '-L', '/usr/aarch64-linux-gnu', program]
        : undefined;
  if (argv === undefined) console.warn(`not run: the program of ${name}`);
  else {
    const { text } = run([...argv, '--version']);
    check(text === `linstor_un ${version}`, `${name}: --version says ${text.slice(0, 300)}`);
  }
}

function checkDocuments(): void {
  const { code, text } = run(['sha256sum', '--quiet', '-c', 'SHA256SUMS']);
  check(code === 0, `sums: ${text}`);
  const names = readdirSync(folder).filter((name) => name !== 'SHA256SUMS' && !name.endsWith('.sh'));
  const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8');
  for (const name of names) check(sums.includes(`  ${name}\n`), `${name} has no sum`);
  const bundled = bundledPackages(join(root, 'node_modules'));
  const sbom = JSON.parse(readFileSync(join(folder, 'sbom.cdx.json'), 'utf8')) as {
    bomFormat?: string;
    components?: { name?: string; group?: string; version?: string; purl?: string }[];
  };
  check(sbom.bomFormat === 'CycloneDX', 'the SBOM is no CycloneDX');
  const components = (sbom.components ?? []).map(({ purl = '' }) => decodeURIComponent(purl));
  for (const name of bundled)
    check(
      components.some((purl) => purl.startsWith(`pkg:npm/${name}@`)),
      `the SBOM has no ${name}`,
    );
  const licences = readFileSync(join(folder, 'LICENSES.txt'), 'utf8');
  for (const name of bundled) check(licences.includes(`\n${name} `), `LICENSES.txt has no ${name}`);
}

try {
  checkDocuments();
  const packages = readdirSync(folder);
  for (const [machine, deb, rpm] of [
    ['x64', 'amd64', 'x86_64'],
    ['arm64', 'arm64', 'aarch64'],
  ] as const) {
    const debName = packages.find((name) => name.endsWith(`_${deb}.deb`));
    const rpmName = packages.find((name) => name.endsWith(`.${rpm}.rpm`));
    if (debName === undefined || rpmName === undefined) {
      console.warn(`not there: packages for ${machine}`);
      continue;
    }
    const debTree = unpack(`deb-${machine}`, ['dpkg-deb', '-x', join(folder, debName), '.']);
    const rpmTree = unpack(`rpm-${machine}`, [
      'sh',
      '-c',
      'rpm2cpio "$1" | cpio -id --quiet',
      'sh',
      join(folder, rpmName),
    ]);
    checkTree(debName, debTree, machine);
    check(Bun.deepEquals(contentOf(debTree), contentOf(rpmTree)), `${debName} and ${rpmName} differ`);
    const info = run(['rpm', '-qp', '--qf', '%{NAME} %{VERSION} %{ARCH} %{LICENSE}', join(folder, rpmName)]);
    check(info.text === `linstor_un ${version} ${rpm} Apache-2.0`, `${rpmName} calls itself ${info.text}`);
    const scripts = run(['rpm', '-qp', '--scripts', join(folder, rpmName)]).text;
    check(!/systemctl|oned\b.*restart/.test(scripts), `${rpmName} restarts something`);
    rmSync(debTree, { recursive: true });
    rmSync(rpmTree, { recursive: true });
  }
  for (const name of packages.filter((each) => each.endsWith('.tar.gz'))) {
    const tree = unpack(name, ['tar', '-xzf', join(folder, name)]);
    checkTree(name, tree, name.includes('arm64') ? 'arm64' : 'x64');
    rmSync(tree, { recursive: true });
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const trouble of troubles) console.error(trouble);
console.log(troubles.length === 0 ? 'packages: all well' : `packages: ${troubles.length} troubles`);
process.exit(troubles.length === 0 ? 0 : 1);
