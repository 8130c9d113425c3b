import type { DriverTarget } from '../../lab/cluster-remotes.ts';
import { OneRefusal } from '../../lab/one/model.ts';
import type { Operation } from '../../lab/one/oned.ts';
import { Model } from './model.ts';
import { operations, type Soak, type Step } from './operations.ts';
import { Random } from './random.ts';
import { SoakWorld } from './world.ts';

export interface SoakRequest {
  readonly seed: number;
  readonly steps: number;
  readonly transport: 'rest' | 'cli';
  readonly target: DriverTarget;
  readonly say: (line: string) => void;
}

export interface SoakResult {
  /** That were made. */
  readonly steps: number;
  readonly violations: readonly string[];
}

/** Stops at the first violation: what follows would only repeat it. */
export async function soak({ seed, steps, transport, target, say }: SoakRequest): Promise<SoakResult> {
  const world = await SoakWorld.open(target);
  try {
    let count = 0;
    const model = new Model();
    const sites = [await world.site('drbd', transport), await world.site('plain', transport)];
    const state: Soak = { world, model, sites, random: new Random(seed), next: () => ++count };
    for (let step = 1; step <= steps; step += 1) {
      const chosen = await choose(state);
      say(`${String(step).padStart(5)}  ${chosen.what}`);
      const wrong = await make(state, chosen);
      if (wrong.length > 0) return report(step, chosen, wrong, say);
    }
    const wrong = await removeAll(state);
    const last = { what: 'remove everything' };
    return wrong.length > 0 ? report(steps, last, wrong, say) : { steps, violations: [] };
  } finally {
    await world.close();
  }
}

function report(
  steps: number,
  { what }: Pick<Step, 'what'>,
  wrong: readonly string[],
  say: SoakRequest['say'],
): SoakResult {
  const violations = wrong.map((each) => `step ${steps}, ${what}: ${each}`);
  for (const each of violations) say(`VIOLATION  ${each}`);
  return { steps, violations };
}

async function choose(state: Soak): Promise<Step> {
  for (;;) {
    const step = await state.random.pick(operations)?.(state);
    if (step) return step;
  }
}

async function make(state: Soak, step: Step): Promise<string[]> {
  let done: Operation;
  try {
    done = await step.run();
  } catch (error) {
    if (error instanceof OneRefusal) return [`oned refused what the model allows: ${error.message}`];
    throw error;
  }
  if (!done.ok) return [done.error ?? 'failed', ...traceOf(done)];
  await step.apply(done);
  return state.world.differences(state.model);
}

const traceOf = (done: Operation): string[] =>
  done.calls
    .filter((call) => call.exitCode !== 0)
    .map(
      (call) =>
        `${call.kind}/${call.action} ${call.argv.join(' ').slice(0, 300)} → ${call.exitCode} ${call.stderr}`,
    );

async function removeAll(state: Soak): Promise<string[]> {
  const { world, model } = state;
  for (const vm of [...model.vms.values()]) {
    const done = await world.one.terminate(vm.id);
    if (!done.ok) return [done.error ?? 'failed', ...traceOf(done)];
    model.vms.delete(vm.id);
  }
  for (const image of [...model.images.values()]) {
    const done = await world.one.deleteImage(image.id);
    if (!done.ok) return [done.error ?? 'failed', ...traceOf(done)];
    model.images.delete(image.id);
  }
  return world.differences(model);
}
