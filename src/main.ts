import { basename } from 'node:path';
import { readInvocation } from './invocation.ts';
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
  const done =
    invocation.kind === 'action'
      ? runAction(invocation)
      : invocation.kind === 'unknown'
        ? import('./unknown-action.ts').then(({ reportUnknown }) => reportUnknown(invocation.name))
        : import('./cli/main.ts').then(({ runCli }) => runCli([...invocation.argv]));
  done.then(
    (code) => process.exit(code),
    (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      writeTo(2, `${basename(process.argv0)}: ${text}\n`);
      process.exit(1);
    },
  );
}

main();
