import type { Hosts } from '../../hosts/hosts.ts';
import type { Finding } from './check.ts';
import type { Facts } from './facts.ts';
import { asRoot } from './remedy.ts';
import frontEndToolsText from './shell/front-end-tools.sh' with { type: 'text' };

/** What actions run on the front-end itself, and the packages that have it. */
interface Tool {
  readonly name: string;
  readonly apt: string;
  readonly dnf: string;
  /** What does not work without it; absent: nothing does. */
  readonly without?: string;
}

const tools: readonly Tool[] = [
  { name: 'bash', apt: 'bash', dnf: 'bash' },
  { name: 'ssh', apt: 'openssh-client', dnf: 'openssh-clients' },
  { name: 'qemu-img', apt: 'qemu-utils', dnf: 'qemu-img' },
  { name: 'curl', apt: 'curl', dnf: 'curl', without: 'images cannot be fetched from http and https' },
  { name: 'gzip', apt: 'gzip', dnf: 'gzip', without: 'images compressed with gzip cannot be imported' },
  { name: 'xz', apt: 'xz-utils', dnf: 'xz', without: 'images compressed with xz cannot be imported' },
  { name: 'bzip2', apt: 'bzip2', dnf: 'bzip2', without: 'images compressed with bzip2 cannot be imported' },
  { name: 'zstd', apt: 'zstd', dnf: 'zstd', without: 'images compressed with zstd cannot be imported' },
];

export interface ToolFacts {
  readonly missing: readonly string[];
  /** Empty where it is missing or does not say. */
  readonly qemuImg: string;
}

const script = `\n${frontEndToolsText}`;

/** Throws what `Hosts.local` throws. */
export async function probeFrontEnd(hosts: Pick<Hosts, 'local'>): Promise<ToolFacts> {
  const { stdout } = await hosts.local({
    verb: 'tools',
    script,
    args: tools.map(({ name }) => name),
    timeoutMs: 20_000,
  });
  const values = (key: string): string[] =>
    stdout
      .split('\n')
      .flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1).trim()] : []));
  return { missing: values('missing'), qemuImg: values('qemu-img')[0] ?? '' };
}

export function checkFrontEndTools({ tools: known }: Facts): Finding[] {
  if (!known.ok)
    return [
      {
        id: 'installation.tools',
        severity: 'warn',
        what: `the programs of this front-end could not be looked for: ${known.error.message}`,
        why: 'actions run them here',
        remedy: known.error.remedy,
      },
    ];
  const { missing, qemuImg } = known.value;
  const absent = tools.filter(({ name }) => missing.includes(name));
  const findings: Finding[] = [];
  if (absent.length > 0)
    findings.push({
      id: 'installation.tools',
      severity: absent.some(({ without }) => without === undefined) ? 'fail' : 'warn',
      what: `not found on this front-end: ${absent.map(({ name }) => name).join(', ')}`,
      why: absent.map(({ without }) => without ?? 'actions that copy images fail').join('; '),
      remedy: `${asRoot(`apt-get install ${absent.map(({ apt }) => apt).join(' ')}`)}   # or dnf install ${absent.map(({ dnf }) => dnf).join(' ')}`,
    });
  const major = Number.parseInt(qemuImg, 10);
  if (major > 0 && major < 5)
    findings.push({
      id: 'installation.qemu',
      severity: 'warn',
      what: `qemu-img ${qemuImg} on this front-end is old`,
      why: 'it has no --target-is-zero (QEMU 5.0): converting writes every zero',
      remedy: `${asRoot('apt-get install --only-upgrade qemu-utils')}   # or dnf upgrade qemu-img`,
    });
  return findings;
}
