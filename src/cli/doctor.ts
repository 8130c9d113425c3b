import type { Context } from '../context.ts';
import { type DriverError, toDriverError } from '../errors.ts';
import { printable } from '../printable.ts';
import { checkAvailability } from './checks/availability.ts';
import { checkBackups } from './checks/backups.ts';
import { exitCodeOf, type Finding } from './checks/check.ts';
import { checkClusters } from './checks/cluster.ts';
import { checkDatastores } from './checks/datastores.ts';
import type { Facts } from './checks/facts.ts';
import { gatherFacts } from './checks/gather.ts';
import { checkHosts } from './checks/hosts.ts';
import { checkInstallation } from './checks/installation.ts';
import { labOf, withoutStandIns } from './checks/lab.ts';
import { checkOpenNebula } from './checks/opennebula.ts';
import { checkRegistration } from './checks/registration.ts';
import { pasteable } from './checks/remedy.ts';
import { checkStorage } from './checks/storage.ts';
import { type CliEnvironment, operatorCommand, printJson } from './command.ts';
import { layoutFrom } from './install.ts';
import { type Paint, paintFor } from './paint.ts';
import { wrapText } from './table.ts';

/** The families, in the order of a person who mends things: what comes first may explain what follows. */
export const families: readonly { readonly title: string; readonly check: (facts: Facts) => Finding[] }[] = [
  { title: 'Installation', check: checkInstallation },
  { title: 'Registration', check: checkRegistration },
  { title: 'OpenNebula', check: checkOpenNebula },
  { title: 'LINSTOR', check: checkClusters },
  { title: 'Datastores', check: checkDatastores },
  { title: 'Storage', check: checkStorage },
  { title: 'Hosts', check: checkHosts },
  { title: 'Availability', check: checkAvailability },
  { title: 'Backups', check: checkBackups },
];

export interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}

export function diagnose(facts: Facts): Section[] {
  return families.map(({ title, check }) => ({ title, findings: check(facts).map(withCommands) }));
}

const withCommands = (finding: Finding): Finding =>
  finding.remedy === undefined ? finding : { ...finding, remedy: pasteable(finding.remedy) };

export const doctor = operatorCommand({
  name: 'doctor',
  summary:
    'Check everything the driver depends on and say how to fix what is wrong. Changes nothing. ' +
    'It uses the SSH keys and the OpenNebula session of oneadmin: run it as that user; root switches to it.',
  args: {
    json: { type: 'boolean', description: 'one JSON document' },
    'no-hosts': { type: 'boolean', description: 'do not check hosts over ssh' },
    all: { type: 'boolean', alias: 'a', description: 'also show hints and checks that passed' },
  },
  exitCodes: [
    [0, 'no problems; hints do not count'],
    [1, 'warnings'],
    [2, 'failures'],
  ],
  examples: [
    ['doctor', 'check everything'],
    ['doctor --no-hosts --json', 'for a monitoring system'],
  ],
  run: async (args, environment) => {
    const facts = await gather(await openContext(environment), environment, noHosts(args));
    const sections = sectionsOf(facts, environment);
    const findings = sections.flatMap((section) => section.findings);
    const exitCode = exitCodeOf(findings);
    if (args.json)
      printJson(environment, {
        version: environment.version,
        worst: ['ok', 'warn', 'fail'][exitCode],
        findings,
      });
    else {
      const { terminal } = environment;
      terminal.out(
        renderDoctor(sections, {
          width: terminal.columns,
          paint: paintFor(terminal.color),
          all: args.all ?? false,
        }),
      );
    }
    return exitCode;
  },
});

export function sectionsOf(facts: Facts, { env }: CliEnvironment): Section[] {
  const lab = labOf(env);
  return lab === undefined ? diagnose(facts) : withoutStandIns(lab, diagnose(facts));
}

/** citty reads `--no-hosts` as the negation of `hosts`. */
export function noHosts(args: Record<string, unknown>): boolean {
  return args['no-hosts'] === true || args['hosts'] === false;
}

export async function gather(
  { context, configError }: Opened,
  environment: CliEnvironment,
  withoutHosts: boolean,
): Promise<Facts> {
  const options = {
    layout: layoutFrom(undefined, environment),
    env: environment.env,
    version: environment.version,
    now: () => environment.now().getTime(),
    askHosts: !withoutHosts,
    ...(configError ? { configError } : {}),
  };
  return gatherFacts(context, options);
}

export interface Opened {
  readonly context: Context;
  readonly configError?: DriverError;
}

/** A broken linstor_un.conf is a finding. What it would have said of LINSTOR is not guessed. */
export async function openContext(environment: CliEnvironment): Promise<Opened> {
  try {
    return { context: await environment.context() };
  } catch (error) {
    const context = await environment.context({ withoutConfig: true });
    return { context, configError: toDriverError(error) };
  }
}

export interface RenderOptions {
  readonly width: number;
  readonly paint: Paint;
  readonly all: boolean;
}

const marks = { ok: 'ok  ', info: 'hint', warn: 'WARN', fail: 'FAIL' } as const;

export function renderDoctor(sections: readonly Section[], { width, paint, all }: RenderOptions): string {
  const paints = { ok: paint.good, info: paint.faint, warn: paint.warn, fail: paint.bad };
  const lines: string[] = [];
  for (const { title, findings } of sections) {
    const shown = findings.filter((item) => all || item.severity !== 'info');
    if (shown.length === 0) continue;
    lines.push(paint.strong(title));
    for (const item of shown) {
      const text = printable(item.object ? `${item.object}: ${item.what}` : item.what);
      const [first = '', ...rest] = wrapText(text, width - 8);
      lines.push(
        `  ${paints[item.severity](marks[item.severity])}  ${first}`,
        ...rest.map((line) => `        ${line}`),
      );
      if (item.severity === 'ok') continue;
      if (item.why)
        lines.push(...wrapText(printable(item.why), width - 8).map((line) => `        ${paint.faint(line)}`));
      for (const [index, line] of (item.remedy ?? '').split('\n').filter(Boolean).entries())
        lines.push(`        ${index === 0 ? '→' : ' '} ${line}`);
    }
    lines.push('');
  }
  lines.push(
    summary(
      sections.flatMap((section) => section.findings),
      all,
    ),
  );
  return `${lines.join('\n')}\n`;
}

function summary(findings: readonly Finding[], all: boolean): string {
  const count = (severity: Finding['severity']): number =>
    findings.filter((item) => item.severity === severity).length;
  const plural = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;
  const hints =
    all || count('info') === 0 ? '' : ` (${plural(count('info'), 'hint')}: linstor_un doctor --all)`;
  if (count('fail') + count('warn') === 0) return `No problems found.${hints}`;
  return `${plural(count('fail'), 'failure')}, ${plural(count('warn'), 'warning')}.${hints}`;
}
