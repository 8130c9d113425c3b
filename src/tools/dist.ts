/**
 * `bun run dist`: what is released, for each target: the program, .deb and .rpm (a tarball where Bun's C library is musl), sha256 sums,
 * an SBOM and the licences of what is inside. `--targets x64,arm64` makes some, `--out DIR` elsewhere than dist/release.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { bundledPackages, licenceTexts, versionOf } from './dist/licences.ts';
import { manPages } from './dist/man.ts';
import { makeTree } from './dist/tree.ts';
import { readCommands } from './docs/commands.ts';

/** Troff breaks lines itself. */
const wholeLines = 10_000;

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));

/**
 * Bun's name of the target, and what package managers call the machine; no package without glibc. There is no baseline build for old
 * processors beside `x64`: Bun's are one and the same program, which needs SSE4.2 and no AVX.
 */
const targets = {
  x64: { bun: 'bun-linux-x64', deb: 'amd64', rpm: 'x86_64' },
  arm64: { bun: 'bun-linux-arm64', deb: 'arm64', rpm: 'aarch64' },
  'x64-musl': { bun: 'bun-linux-x64-musl' },
  'arm64-musl': { bun: 'bun-linux-arm64-musl' },
} as const;
type Target = keyof typeof targets;

const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: {
    out: { type: 'string', default: 'dist/release' },
    targets: { type: 'string', default: Object.keys(targets).join(',') },
  },
});

function run(argv: readonly string[], options: { cwd?: string } = {}): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], { cwd: root, ...options, stderr: 'pipe' });
  if (exitCode === 0) return stdout.toString();
  throw new Error(
    `${argv.slice(0, 3).join(' ')} … ended with ${exitCode}:\n${stderr.toString().slice(-2000)}`,
  );
}

const wanted = values.targets.split(',').map((name): Target => {
  if (Object.hasOwn(targets, name)) return name as Target;
  throw new Error(`unknown target ${name}; known: ${Object.keys(targets).join(', ')}`);
});
const out = resolve(root, values.out);
const work = mkdtempSync(join(tmpdir(), 'linstor_un-dist-'));
try {
  mkdirSync(out, { recursive: true });
  await release();
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function release(): Promise<void> {
  const program = (...words: string[]): string => run([process.execPath, 'src/main.ts', ...words]);
  const commands = await readCommands(wholeLines);
  const licences = licenceTexts(join(root, 'node_modules'));
  const sbom = billOfMaterials();
  writeFileSync(join(out, 'sbom.cdx.json'), sbom);
  writeFileSync(join(out, 'LICENSES.txt'), licences);
  const shared = {
    root,
    licences,
    sbom,
    manPages: manPages(program('--help'), commands, packageJson.version),
    completions: {
      bash: program('completion', 'bash'),
      zsh: program('completion', 'zsh'),
      fish: program('completion', 'fish'),
    },
  };
  for (const name of wanted) {
    const binary = join(work, `linstor_un-${name}`);
    run([process.execPath, 'src/tools/build.ts', `--target=${targets[name].bun}`, '--out', binary]);
    const tree = join(work, name);
    makeTree(tree, { ...shared, binary });
    const target = targets[name];
    if ('deb' in target) {
      makeDeb(tree, name, target.deb);
      makeRpm(tree, name, target.rpm);
    } else {
      const file = join(out, `linstor_un-${packageJson.version}-linux-${name}.tar.gz`);
      run(['tar', '--owner=0', '--group=0', '--sort=name', '-C', tree, '-czf', file, '.']);
    }
  }
  writeSums();
}

/** By npm's own command, of exactly the versions that are installed and bundled. */
function billOfMaterials(): string {
  const folder = join(work, 'sbom');
  const bundled = bundledPackages(join(root, 'node_modules')).map((name): [string, string] => [
    name,
    versionOf(join(root, 'node_modules', name)),
  ]);
  const { name, version, license } = packageJson;
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name, version, license, dependencies: Object.fromEntries(bundled) }),
  );
  run(['npm', 'install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: folder,
  });
  return run(['npm', 'sbom', '--package-lock-only', '--sbom-format=cyclonedx'], { cwd: folder });
}

function makeDeb(tree: string, name: Target, architecture: string): void {
  const size = Number(run(['du', '-sk', tree]).split('\t')[0]);
  const fields = [
    'Package: linstor-un',
    `Version: ${packageJson.version}`,
    `Architecture: ${architecture}`,
    'Maintainer: linstor_un maintainers <maintainers@linstor-un.invalid>',
    'Section: admin',
    'Priority: optional',
    'Depends: libc6, openssh-client, curl, qemu-utils',
    'Recommends: xz-utils, zstd, bzip2',
    `Installed-Size: ${size}`,
    `Description: ${packageJson.description}`,
    " Keeps OpenNebula's images and VM disks on LINSTOR. Installed on front-ends only.",
  ];
  const staged = join(work, `${name}-deb`);
  run(['cp', '-a', tree, staged]);
  mkdirSync(join(staged, 'DEBIAN'));
  writeFileSync(join(staged, 'DEBIAN/control'), `${fields.join('\n')}\n`);
  for (const script of ['postinst', 'prerm'])
    run(['install', '-m', '755', join(root, 'packaging/debian', script), join(staged, 'DEBIAN', script)]);
  const file = join(out, `linstor-un_${packageJson.version}_${architecture}.deb`);
  run(['dpkg-deb', '--root-owner-group', '-Zzstd', '-z5', '--build', staged, file]);
  rmSync(staged, { recursive: true });
}

function makeRpm(tree: string, name: Target, architecture: string): void {
  const files = (readdirSync(tree, { recursive: true }) as string[])
    .filter((path) => !statSync(join(tree, path), { throwIfNoEntry: false })?.isDirectory())
    .map((path) => `/${path}`)
    .sort();
  const spec = readFileSync(join(root, 'packaging/rpm/linstor_un.spec.in'), 'utf8')
    .replaceAll('@VERSION@', packageJson.version)
    .replaceAll('@TREE@', tree)
    .replaceAll('@FILES@', files.join('\n'));
  const top = join(work, `${name}-rpm`);
  mkdirSync(top);
  writeFileSync(join(top, 'linstor_un.spec'), spec);
  run([
    'rpmbuild',
    '-bb',
    `--target=${architecture}-linux`,
    `--define=_topdir ${top}`,
    `--define=_rpmdir ${out}`,
    '--define=_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm',
    '--define=_binary_payload w5.zstdio',
    join(top, 'linstor_un.spec'),
  ]);
  rmSync(top, { recursive: true });
}

function writeSums(): void {
  const files = readdirSync(out)
    .filter((name) => name !== 'SHA256SUMS' && statSync(join(out, name)).isFile())
    .sort();
  const sums = files.map((name) => {
    const bytes = readFileSync(join(out, name));
    console.log(`${(bytes.length / 1e6).toFixed(1).padStart(7)} MB  ${name}`);
    return `${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}  ${name}\n`;
  });
  writeFileSync(join(out, 'SHA256SUMS'), sums.join(''));
}
