import { accessSync, constants } from 'node:fs';
import { basename } from 'node:path';
import { DriverError } from '../errors.ts';
import { asWhileWaiting, ownerOf } from '../identity.ts';
import { applyPlan } from '../install/apply.ts';
import { unifiedDiff } from '../install/diff.ts';
import { readText } from '../install/disk.ts';
import { type Layout, layoutOf } from '../install/layout.ts';
import { type Manifest, readManifest } from '../install/manifest.ts';
import { type Plan, planInstallation, type Step } from '../install/plan.ts';
import { type Drift, datastoreDrift } from './checks/drift.ts';
import { type CliEnvironment, type OperatorCommand, operatorCommand, printJson } from './command.ts';
import { mustBeAllowed } from './permission.ts';

const args = {
  'dry-run': { type: 'boolean', description: 'show what would change; change nothing' },
  yes: { type: 'boolean', alias: 'y', description: 'do not ask' },
  root: {
    type: 'string',
    valueHint: 'DIR',
    description: 'install below DIR (a mounted image, a staging directory)',
  },
  binary: { type: 'string', valueHint: 'FILE', description: 'install FILE; default: this program' },
  'with-io-classes': {
    type: 'boolean',
    description: 'let disks inherit limits of bytes and IOPS from their datastore (oned.conf)',
  },
  placer: {
    type: 'boolean',
    description: 'let VMs start where their data are: the placer of OpenNebula 7 (oned.conf), for LOCALITY',
  },
  json: { type: 'boolean', description: 'one JSON document' },
} as const;

const installationCodes = [
  [0, 'done, or nothing to do'],
  [1, 'failed and rolled back, or not confirmed'],
] as const;

export const install: OperatorCommand = operatorCommand({
  name: 'install',
  summary:
    'Install the driver on this front-end: program, action links, configuration, oned.conf and vmm_execrc. Safe to repeat. ' +
    'With ONE_LOCATION set, into that self-contained OpenNebula.',
  args,
  exitCodes: installationCodes,
  examples: [
    ['install --dry-run', 'show the changes first'],
    ['install --yes', 'install without asking'],
    ['install --root /mnt/image', 'into a mounted file system'],
  ],
  run: (options, environment) => runInstallation(options, environment, false),
});

export const upgrade: OperatorCommand = operatorCommand({
  name: 'upgrade',
  summary:
    'Replace an installed version with this one, or take over from the bash driver of the same name. Running actions finish undisturbed.',
  args,
  exitCodes: installationCodes,
  examples: [
    ['upgrade --dry-run', 'show the changes first'],
    ['upgrade --yes', 'replace the installed version'],
  ],
  run: (options, environment) => runInstallation(options, environment, true),
});

interface Options {
  readonly 'dry-run'?: boolean | undefined;
  readonly yes?: boolean | undefined;
  readonly root?: string | undefined;
  readonly binary?: string | undefined;
  readonly json?: boolean | undefined;
  readonly 'with-io-classes'?: boolean | undefined;
  readonly placer?: boolean | undefined;
}

async function runInstallation(
  options: Options,
  environment: CliEnvironment,
  upgrading: boolean,
): Promise<number> {
  const layout = layoutFrom(options.root, environment);
  mustBeAllowed(layout, environment, commandWords(upgrading ? 'upgrade' : 'install', { ...options }));
  const manifest = readManifest(layout);
  const plan = planInstallation(layout, binaryFrom(options.binary, environment), manifest, {
    ioClasses: options['with-io-classes'] ?? false,
    placer: options.placer ?? false,
  });
  if (upgrading && !manifest && !plan.bashDriver) {
    throw new DriverError('USAGE', 'there is no installation to upgrade', {
      remedy: 'run linstor_un install',
    });
  }
  const drift = await findDrift(layout, plan, environment);
  const dryRun = options['dry-run'] ?? false;
  if (!options.json) environment.terminal.out(describePlan(plan, manifest, environment.version));
  if (!dryRun && plan.steps.length > 0) {
    if (!options.yes && !(await agreed(environment, 'Install?'))) return 1;
    applyPlan(layout, plan.steps, environment.version, environment.now());
  }
  if (options.json) printJson(environment, planDocument(plan, manifest, drift, dryRun, environment.version));
  else environment.terminal.out(nextSteps(layout, plan, drift, dryRun));
  return 0;
}

/** The command line again, for whoever may run it. */
export function commandWords(name: string, options: Readonly<Record<string, unknown>>): string[] {
  const known = ['dry-run', 'yes', 'purge', 'root', 'binary', 'json', 'with-io-classes', 'placer'];
  return [
    name,
    ...known.flatMap((key) => {
      const value = options[key];
      if (value === true) return [`--${key}`];
      return typeof value === 'string' ? [`--${key}`, value] : [];
    }),
  ];
}

export function layoutFrom(root: string | undefined, environment: CliEnvironment): Layout {
  const oneLocation = environment.env['ONE_LOCATION'];
  return layoutOf({
    ...(root === undefined ? {} : { root }),
    ...(oneLocation === undefined ? {} : { oneLocation }),
  });
}

/** Asks; without a person to ask, --yes must be given. */
export async function agreed({ terminal }: CliEnvironment, question: string): Promise<boolean> {
  if (!terminal.interactive)
    throw new DriverError('USAGE', 'there is no terminal to confirm on', {
      remedy: 'use --yes, or --dry-run to see the plan first',
    });
  return terminal.confirm(question);
}

function binaryFrom(given: string | undefined, environment: CliEnvironment): string {
  const path = given ?? environment.executable;
  if (given === undefined && /^(?:bun|node)(?:$|[-.])/.test(basename(path))) {
    throw new DriverError('USAGE', 'this is not the compiled program', {
      remedy: 'build it (bun run build) and run dist/linstor_un install, or give --binary FILE',
    });
  }
  try {
    accessSync(path, constants.X_OK);
  } catch {
    throw new DriverError('USAGE', `${path} is not an executable file`);
  }
  return path;
}

/** What datastores keep of an earlier registration; nothing when OpenNebula does not answer, as before its first start. */
async function findDrift(layout: Layout, plan: Plan, environment: CliEnvironment): Promise<Drift[]> {
  if (layout.root !== '') return [];
  const edit = plan.steps.find((step) => step.do === 'edit' && step.path === layout.onedConf);
  const text = edit?.do === 'edit' ? edit.after : readText(layout, layout.onedConf);
  try {
    return await asWhileWaiting(ownerOf(layout.varDir), async () => {
      const context = await environment.context({ withoutConfig: true });
      return datastoreDrift(text, await context.one.datastores());
    });
  } catch {
    return [];
  }
}

const verbs: Readonly<Record<Step['do'], string>> = {
  directory: 'make',
  binary: 'install',
  file: 'write',
  link: 'link',
  'set-aside': 'set aside',
  edit: 'edit',
};

export function describePlan(plan: Plan, manifest: Manifest | undefined, version: string): string {
  if (plan.steps.length === 0) return `linstor_un ${version} is installed and up to date.\n`;
  const lines: string[] = [];
  if (manifest && manifest.version !== version)
    lines.push(`Upgrade from ${manifest.version} to ${version}.`, '');
  if (plan.bashDriver)
    lines.push(
      'The bash driver is installed here: its files are set aside and come back with “linstor_un uninstall”.',
      '',
    );
  const links = plan.steps.filter((step) => step.do === 'link');
  for (const step of plan.steps) {
    if (step.do === 'link' && links.length > 3) continue;
    lines.push(`${verbs[step.do].padEnd(9)}  ${step.path}`);
  }
  if (links.length > 3)
    lines.push(`${'link'.padEnd(9)}  ${links.length} names, ${links[0]?.path} … ${links.at(-1)?.path}`);
  for (const step of plan.steps) {
    if (step.do === 'edit') lines.push('', unifiedDiff(step.path, step.before, step.after).trimEnd());
  }
  return `${lines.join('\n')}\n`;
}

export function nextSteps(layout: Layout, plan: Plan, drift: readonly Drift[], dryRun: boolean): string {
  const blocks: string[][] = [];
  const add = (title: string, lines: readonly string[]): void => {
    if (lines.length > 0) blocks.push([title, ...lines.map((line) => `  ${line}`)]);
  };
  add('Kept in oned.conf:', plan.kept);
  add('Needs your decision:', plan.conflicts);
  add(`Kept of ${layout.config}:`, plan.config?.kept ?? []);
  add('Without effect there:', plan.config?.withoutEffect ?? []);
  add('Not ours, left alone:', plan.unknown);
  add(
    'Datastores keep the registration of their creation. These differ; to change them:',
    drift.flatMap(describeDrift),
  );
  if (dryRun) blocks.push(['Nothing was changed (--dry-run).']);
  else if (plan.steps.length > 0) {
    add('Next:', [
      layout.oneLocation ? 'one stop; one start' : 'systemctl restart opennebula',
      'linstor_un doctor',
      'with the first datastore: linstor_un doctor again – it proposes quorum options for its resource group, so that guests survive a cut network',
    ]);
    if (plan.highAvailability) {
      add('This is one of several front-ends. On each of the others, before the leader may change:', [
        'copy this program there and run the same “linstor_un install” (oned.conf differs between them in SERVER_ID only)',
        `copy ${layout.config}`,
        'restart OpenNebula there; followers first, the leader last',
        'linstor_un doctor compares the versions',
      ]);
    }
  }
  return blocks.length === 0 ? '' : `\n${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function describeDrift(drift: Drift): string[] {
  return [`${drift.datastore} “${drift.name}”: ${drift.what}`, `  ${drift.remedy}`];
}

function planDocument(
  plan: Plan,
  manifest: Manifest | undefined,
  drift: readonly Drift[],
  dryRun: boolean,
  version: string,
): unknown {
  return {
    version,
    previous: manifest?.version ?? null,
    bashDriver: plan.bashDriver,
    applied: !dryRun,
    changed: !dryRun && plan.steps.length > 0,
    steps: plan.steps.map((step) => ({
      do: step.do,
      path: step.path,
      ...(step.do === 'edit' ? { diff: unifiedDiff(step.path, step.before, step.after) } : {}),
    })),
    kept: plan.kept,
    conflicts: plan.conflicts,
    config: plan.config ?? null,
    unknown: plan.unknown,
    datastores: drift,
    highAvailability: plan.highAvailability,
  };
}
