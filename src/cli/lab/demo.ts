import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DriverError } from '../../errors.ts';
import type { DemoResult, DemoStep } from '../../lab/demo.ts';
import { operatorCommand, printJson } from '../command.ts';
import { type Paint, paintFor } from '../paint.ts';
import type { Terminal } from '../terminal.ts';

export const labDemo = operatorCommand({
  name: 'lab demo',
  summary:
    'Register a real image, clone it by snapshot and by copy, compare every byte, resize, measure, delete. Prints each driver call as OpenNebula makes it.',
  args: {
    json: { type: 'boolean', description: 'one JSON document: {steps: [{call, ms, ok}], ok}' },
    generation: {
      type: 'string',
      description: 'LINSTOR release to simulate',
      default: '1.33',
    },
    keep: { type: 'boolean', description: 'keep the lab’s directory' },
  },
  exitCodes: [
    [0, 'every step and every check passed'],
    [1, 'one failed'],
  ],
  examples: [
    ['lab demo', 'an end-to-end demo on this machine, in seconds'],
    ['lab demo --json', 'for scripts'],
  ],
  run: async ({ json, keep, generation }, environment) => {
    const { missingTools } = await import('../../lab/demo-image.ts');
    const missing = missingTools();
    if (missing !== undefined) {
      const [what = '', ...how] = missing.split('\n');
      throw new DriverError('LAB', `the demonstration needs more than is here: ${what}`, {
        details: how,
        remedy: 'install what is missing and try again',
      });
    }
    const { terminal } = environment;
    const dir = mkdtempSync(join(tmpdir(), 'linstor_un-demo-'));
    // Nothing of it is left when a person has seen enough.
    const leave = (): void => {
      rmSync(dir, { recursive: true, force: true });
      process.exit(130);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
    const result = await play(dir, String(generation), json ? undefined : new Screen(terminal, dir));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, leave);
    if (keep || !result.ok) terminal.message('info', `the lab is left in ${dir}`);
    else rmSync(dir, { recursive: true, force: true });
    if (json) printJson(environment, result);
    return result.ok ? 0 : 1;
  },
});

async function play(dir: string, generation: string, screen: Screen | undefined): Promise<DemoResult> {
  const [{ createCluster }, { serveCluster }, { Demo }] = await Promise.all([
    import('../../lab/cluster.ts'),
    import('../../lab/cluster-serve.ts'),
    import('../../lab/demo.ts'),
  ]);
  const { labGeneration } = await import('./options.ts');
  const cluster = createCluster({ dir, generation: labGeneration(generation) });
  const served = await serveCluster(cluster);
  try {
    const { description } = cluster;
    screen?.begin(
      `simulated LINSTOR ${description.generation} with ${description.nodes.join(', ')}; $LAB is ${dir}${description.isolation === 'none' ? ' (hosts share one file tree: no namespaces here)' : ''}`,
    );
    const result = await new Demo(
      cluster,
      screen ?? { operation: () => undefined, step: () => undefined },
    ).run();
    screen?.end(result);
    return result;
  } finally {
    await served.stop();
  }
}

const marks = { ok: '✓', failed: '✗' } as const;

/** Lines for a person: what is done, under it the calls with their time. Colours only on a terminal. */
class Screen {
  readonly #terminal: Terminal;
  readonly #width: number;

  readonly #paint: Paint;
  readonly #dir: string;

  constructor(terminal: Terminal, dir: string) {
    this.#terminal = terminal;
    this.#paint = paintFor(terminal.color);
    this.#dir = dir;
    this.#width = Math.max(60, terminal.interactive ? terminal.columns : 120);
  }

  begin(text: string): void {
    this.#terminal.out(`${this.#paint.strong('linstor_un lab demo')} – ${text}\n`);
  }

  operation(command: string): void {
    this.#terminal.out(`\n${this.#paint.strong(command)}\n`);
  }

  step({ kind, call, ms, ok, detail }: DemoStep): void {
    const mark = ok ? this.#paint.good(marks.ok) : this.#paint.bad(marks.failed);
    const time = `${String(ms).padStart(6)} ms`;
    // The lab's directory, which stands for / of an installation, would fill every line.
    const text = kind === 'check' ? this.#paint.strong(call) : call.replaceAll(this.#dir, '$LAB');
    this.#terminal.out(`  ${mark} ${time}  ${text}\n`);
    if (detail !== '' && (kind === 'call' || !ok))
      this.#terminal.out(
        `              ${(ok ? this.#paint.faint : this.#paint.bad)(shorten(detail, ok ? this.#width - 14 : 2000))}\n`,
      );
  }

  end({ steps, ok }: DemoResult): void {
    const calls = steps.filter(({ kind }) => kind === 'call');
    const total = calls.reduce((sum, { ms }) => sum + ms, 0);
    const failed = steps.filter((step) => !step.ok).length;
    const verdict = ok
      ? this.#paint.good('All is well')
      : this.#paint.bad(`${failed} of ${steps.length} steps failed`);
    this.#terminal.out(
      `\n${verdict}: ${calls.length} driver calls in ${(total / 1000).toFixed(1)} s, ${steps.length - calls.length} checks.\n`,
    );
  }
}

const shorten = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text;
