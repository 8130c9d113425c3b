import { DriverError } from '../errors.ts';
import { asWhileWaiting, ownerOf } from '../identity.ts';
import { unifiedDiff } from '../install/diff.ts';
import type { Layout } from '../install/layout.ts';
import { readManifest } from '../install/manifest.ts';
import { isHighAvailability } from '../install/plan.ts';
import { planRemoval, type RemovalStep, remove } from '../install/remove.ts';
import { type CliEnvironment, operatorCommand, printJson } from './command.ts';
import { agreed, commandWords, layoutFrom } from './install.ts';
import { type KeptInLinstor, keptInLinstor, keptText } from './kept-in-linstor.ts';
import { mustBeAllowed } from './permission.ts';

export const uninstall = operatorCommand({
  name: 'uninstall',
  summary:
    'Remove the driver and restore the previous configuration: files, links, and the edits in oned.conf and vmm_execrc, byte for byte unless they were edited since. ' +
    'Data in LINSTOR is not touched: it says what stays there.',
  args: {
    'dry-run': { type: 'boolean', description: 'show what would change; change nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'do not ask' },
    purge: { type: 'boolean', description: 'remove linstor_un.conf too, if it was changed since' },
    root: { type: 'string', valueHint: 'DIR', description: 'uninstall below DIR' },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  exitCodes: [
    [0, 'done'],
    [1, 'not confirmed, or something could not be restored'],
  ],
  examples: [
    ['uninstall --dry-run', 'show what would be removed'],
    ['uninstall --yes', 'remove without asking'],
  ],
  run: async (options, environment) => {
    const layout = layoutFrom(options.root, environment);
    mustBeAllowed(layout, environment, commandWords('uninstall', options));
    const manifest = readManifest(layout);
    if (!manifest)
      throw new DriverError('USAGE', 'linstor_un is not installed here', {
        remedy: `there is no ${layout.manifest}`,
      });
    const steps = planRemoval(layout, manifest, { purge: options.purge ?? false });
    const { inUse, kept } = layout.root === '' ? await leftBehind(layout, environment) : { inUse: [] };
    if (!options.json) {
      const stays = layout.root === '' ? `\n${keptText(kept)}\n` : '';
      environment.terminal.out(describeRemoval(steps, inUse) + stays);
    }
    let failed: string[] = [];
    const dryRun = options['dry-run'] ?? false;
    const severalFrontEnds = steps.some(
      (step) => step.do === 'revert' && step.path === layout.onedConf && isHighAvailability(step.before),
    );
    if (!dryRun) {
      if (!options.yes && !(await agreed(environment, 'Uninstall?'))) return 1;
      failed = remove(layout, steps);
    }
    if (options.json)
      printJson(environment, {
        applied: !dryRun,
        changed: !dryRun && steps.length > 0,
        steps: steps.map(summary),
        left: failed,
        datastores: inUse,
        ...(kept ? { linstor: kept } : {}),
      });
    else environment.terminal.out(closing(dryRun, failed, layout.oneLocation, severalFrontEnds));
    return failed.length === 0 ? 0 : 1;
  },
});

/** What the driver leaves behind. Asked as oneadmin: its session file may be a link to anything. */
async function leftBehind(
  layout: Layout,
  environment: CliEnvironment,
): Promise<{ inUse: readonly string[]; kept?: KeptInLinstor | undefined }> {
  return asWhileWaiting(ownerOf(layout.varDir), async () => ({
    inUse: await datastoresOfOurs(environment).catch(() => []),
    kept: await environment
      .context()
      .then(keptInLinstor)
      .catch(() => undefined),
  }));
}

async function datastoresOfOurs(environment: CliEnvironment): Promise<string[]> {
  const context = await environment.context({ withoutConfig: true });
  const all = await context.one.datastores();
  return all
    .filter((item) => item.tmMad === 'linstor_un' || item.dsMad === 'linstor_un')
    .map((item) => `${item.id} “${item.name}”`);
}

const verbs: Readonly<Record<RemovalStep['do'], string>> = {
  unlink: 'remove',
  rmdir: 'remove',
  restore: 'put back',
  revert: 'edit',
  keep: 'keep',
};

export function describeRemoval(steps: readonly RemovalStep[], inUse: readonly string[]): string {
  const lines: string[] = [];
  if (inUse.length > 0)
    lines.push(`Datastores still use the driver and will fail without it: ${inUse.join(', ')}`, '');
  const unlinked = steps.filter((step) => step.do === 'unlink' || step.do === 'rmdir');
  if (unlinked.length > 0)
    lines.push(
      `${'remove'.padEnd(9)}  ${unlinked.length} files, links and empty directories of the installation`,
    );
  for (const step of steps) {
    if (step.do === 'unlink' || step.do === 'rmdir') continue;
    const note =
      step.do === 'keep'
        ? `: ${step.why}`
        : step.do === 'revert' && !step.exact
          ? ' (it was edited since: only our parts go)'
          : '';
    lines.push(`${verbs[step.do].padEnd(9)}  ${step.path}${note}`);
  }
  for (const step of steps)
    if (step.do === 'revert') lines.push('', unifiedDiff(step.path, step.before, step.after).trimEnd());
  return `${lines.join('\n')}\n`;
}

function summary(step: RemovalStep): Record<string, unknown> {
  if (step.do === 'revert')
    return {
      do: step.do,
      path: step.path,
      exact: step.exact,
      diff: unifiedDiff(step.path, step.before, step.after),
    };
  return { ...step };
}

function closing(
  dryRun: boolean,
  left: readonly string[],
  oneLocation: string,
  severalFrontEnds: boolean,
): string {
  if (dryRun) return '\nNothing was changed (--dry-run).\n';
  const restart = oneLocation ? 'one stop; one start' : 'systemctl restart opennebula';
  const others = severalFrontEnds ? '  the same on each of the other front-ends\n' : '';
  const rest =
    left.length > 0 ? `\nCould not be restored:\n${left.map((line) => `  ${line}\n`).join('')}` : '';
  return `${rest}\nNext:\n  ${restart}\n${others}`;
}
