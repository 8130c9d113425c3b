import { basename } from 'node:path';
import { type Invocation, readInvocation } from './invocation.ts';
import { compileLongWork } from './jit.ts';
import { runAction } from './run-action.ts';
import { writeTo } from './standard-io.ts';

/**
 * Entry: which invocation is this? A driver action loads only itself; everything for people is loaded on demand
 * (docs/architecture.md). No top-level await: bytecode forbids it.
 */
function main(): void {
  compileLongWork();
  const invocation = readInvocation(process.argv0, Bun.argv.slice(2));
  asOneadmin(invocation)
    .then(() => run(invocation))
    .then(
      (code) => process.exit(code),
      (error: unknown) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        writeTo(2, `${basename(process.argv0)}: ${text}\n`);
        process.exit(1);
      },
    );
}

async function run(invocation: Invocation): Promise<number> {
  if (invocation.kind === 'action') return runAction(invocation);
  if (invocation.kind === 'unknown')
    return (await import('./unknown-action.ts')).reportUnknown(invocation.name);
  return (await import('./cli/main.ts')).runCli([...invocation.argv]);
}

/** What root does as root: it changes root's files, or nothing of oneadmin's counts for it. */
const rootsOwn: ReadonlySet<string> = new Set([
  'install',
  'upgrade',
  'uninstall',
  'lab',
  'version',
  'actions',
]);

/** All else looks at oneadmin's files, and runs what oneadmin has configured: as oneadmin. */
async function asOneadmin(invocation: Invocation): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  if (invocation.kind === 'cli' && rootsOwn.has(invocation.argv[0] ?? 'help')) return;
  const { stepDown, varDirectory } = await import('./identity.ts');
  stepDown(varDirectory(process.env), process.env);
}

main();
