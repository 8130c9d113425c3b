import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A real image with a file system and known files in it, made without root; and what is needed to look into it. */

/** Front-ends have mke2fs in sbin, which a person's PATH often lacks. */
const searchPath = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;

const tools = [
  { name: 'qemu-img', debian: 'qemu-utils', fedora: 'qemu-img', alpine: 'qemu-img' },
  { name: 'mke2fs', debian: 'e2fsprogs', fedora: 'e2fsprogs', alpine: 'e2fsprogs' },
  { name: 'debugfs', debian: 'e2fsprogs', fedora: 'e2fsprogs', alpine: 'e2fsprogs-extra' },
  { name: 'cmp', debian: 'diffutils', fedora: 'diffutils', alpine: 'diffutils' },
] as const;

/** What to install, for people; undefined when everything is there. */
export function missingTools(path = searchPath): string | undefined {
  const missing = tools.filter(({ name }) => Bun.which(name, { PATH: path }) === null);
  if (missing.length === 0) return undefined;
  const packages = (system: 'debian' | 'fedora' | 'alpine'): string =>
    [...new Set(missing.map((tool) => tool[system]))].join(' ');
  return [
    `${missing.map(({ name }) => name).join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
    `Debian, Ubuntu: apt-get install ${packages('debian')}`,
    `Fedora, RHEL: dnf install ${packages('fedora')}`,
    `Alpine: apk add ${packages('alpine')}`,
  ].join('\n');
}

export interface ToolResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runTool(argv: readonly string[]): Promise<ToolResult> {
  const [name = '', ...args] = argv;
  const child = Bun.spawn([Bun.which(name, { PATH: searchPath }) ?? name, ...args], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { ok: code === 0, stdout, stderr };
}

async function must(argv: readonly string[]): Promise<void> {
  const result = await runTool(argv);
  if (!result.ok) throw new Error(`${argv[0]} failed: ${result.stderr.trim()}`);
}

export interface DemoImage {
  /** What is registered. */
  readonly qcow2: string;
  /** The same content as plain bytes, to compare disks with. */
  readonly raw: string;
  readonly sizeMb: number;
  /** Path in the image's file system → file on this machine with the same content. */
  readonly files: Readonly<Record<string, string>>;
}

/** An ext4 file system with a text, a random file and a file with a hole in it, as qcow2. */
export async function makeImage(directory: string, sizeMb: number): Promise<DemoImage> {
  const tree = join(directory, 'tree');
  mkdirSync(join(tree, 'etc'), { recursive: true });
  const files = {
    '/etc/motd': join(tree, 'etc/motd'),
    '/random': join(tree, 'random'),
    '/holes': join(tree, 'holes'),
  };
  writeFileSync(files['/etc/motd'], 'Every byte of this image is checked.\n');
  const random = new Uint8Array(3 * 1024 * 1024 + 17);
  for (let at = 0; at < random.length; at += 65_536) crypto.getRandomValues(random.subarray(at, at + 65_536));
  writeFileSync(files['/random'], random);
  const holes = new Uint8Array(1024 * 1024);
  holes.set(random.subarray(0, 512), holes.length - 512);
  writeFileSync(files['/holes'], holes);
  const raw = join(directory, 'image.raw');
  const qcow2 = join(directory, 'image.qcow2');
  await must(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'demo', '-d', tree, raw, `${sizeMb}M`]);
  await must(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2]);
  return { qcow2, raw, sizeMb, files };
}

/** Undefined when the device starts with exactly the bytes of the image; else what differs. */
export async function difference(image: DemoImage, device: string): Promise<string | undefined> {
  const bytes = image.sizeMb * 1024 * 1024;
  const compared = await runTool(['cmp', '-n', String(bytes), image.raw, device]);
  return compared.ok ? undefined : `${compared.stdout}${compared.stderr}`.trim();
}

/** Undefined when the file system on the device holds every known file with its content. */
export async function wrongFile(
  image: DemoImage,
  device: string,
  scratch: string,
): Promise<string | undefined> {
  for (const [inside, outside] of Object.entries(image.files)) {
    const copy = join(scratch, 'read-back');
    const dumped = await runTool(['debugfs', '-R', `dump ${inside} ${copy}`, device]);
    if (!dumped.ok) return `${inside}: ${dumped.stderr.trim()}`;
    const compared = await runTool(['cmp', outside, copy]);
    if (!compared.ok) return `${inside}: ${`${compared.stdout}${compared.stderr}`.trim()}`;
  }
  return undefined;
}
