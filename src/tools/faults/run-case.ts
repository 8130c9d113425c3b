import type { DriverRequest } from '../../lab/one/driver.ts';
import { lcm } from '../../lab/one/model.ts';
import { parseResource } from '../../volumes/names.ts';
import type { Case, Footprint } from './cases.ts';
import { badMessage, excused, type Finding, leftovers, losses, untrue, type Verdict } from './judge.ts';
import { type Observation, observe } from './observe.ts';
import { type Attempt, startAction } from './run-action.ts';
import { type Base, makeBase, type Scenario } from './scenarios.ts';
import { type FaultWorld, type GroupName, groups } from './world.ts';

/** A scenario whose call has been made once without any fault. */
export interface Prepared {
  readonly scenario: Scenario;
  readonly request: DriverRequest;
  readonly before: Observation;
  readonly golden: { readonly observation: Observation; readonly reply: string };
  readonly footprint: Footprint;
}

export interface CaseResult {
  readonly action: string;
  readonly about: string;
  readonly call: string;
  readonly fault: string;
  readonly verdict: Verdict;
  /** The fault never came about: the call was not made this time. */
  readonly missed: boolean;
  /** Did the action itself succeed in spite of the fault? */
  readonly succeeded: boolean;
  readonly findings: readonly string[];
}

const bases = new WeakMap<FaultWorld, Map<string, Base>>();

async function base(world: FaultWorld, scenario: Scenario): Promise<[string, Base]> {
  const name = `base ${scenario.group} ${JSON.stringify(scenario.template ?? {})}`;
  const known = bases.get(world) ?? new Map<string, Base>();
  if (!bases.has(world)) {
    bases.set(world, known);
    for (const [group, filter] of Object.entries(groups))
      await world.linstor('POST', '/v1/resource-groups', { name: group, select_filter: filter });
    world.save('empty');
  }
  const made = known.get(name);
  if (made) return [name, made];
  world.restore('empty');
  const fresh = await makeBase(world, scenario.group as GroupName, scenario.template ?? {});
  world.save(name);
  known.set(name, fresh);
  return [name, fresh];
}

/** Brings the lab to the state before the call, and makes it once as the measure for all cases. */
export async function prepare(world: FaultWorld, scenario: Scenario): Promise<Prepared> {
  const [baseName, made] = await base(world, scenario);
  world.restore(baseName);
  const [kind, action] = scenario.action.split('/');
  const request = await scenario.prepare(world, made, (work, argv) =>
    world.upTo(
      (each) => each.kind === kind && each.action === action && (argv?.test(each.argv.join(' ')) ?? true),
      work,
    ),
  );
  world.save('scenario');
  world.restore('scenario');
  const before = await observe(world);
  const attempt = await startAction(world, request).done;
  if (attempt.exitCode !== 0)
    throw new Error(`${scenario.action} (${scenario.about}) fails without a fault: ${attempt.stderr}`);
  const footprint = {
    linstor: [...world.linstorProxy.seen],
    one: [...world.oneProxy.seen],
    ssh: world.sshCalls(),
  };
  const golden = { observation: await observe(world), reply: attempt.reply };
  const prepared = { scenario, request, before, golden, footprint };
  const left = await cleanUp(world, prepared, attempt);
  if (left.length > 0)
    throw new Error(`${scenario.action} (${scenario.about}) leaves without a fault: ${left.join('; ')}`);
  return prepared;
}

/** One case: the fault, what is left, the retry, what is left at the end. */
export async function runCase(world: FaultWorld, prepared: Prepared, each: Case): Promise<CaseResult> {
  const { scenario } = prepared;
  world.restore('scenario');
  const { attempt, struck } = await strike(world, prepared, each);
  const findings = (await judge(world, prepared, each, attempt)).filter((finding) => !excused(each, finding));
  const verdict = findings.some((finding) => finding.verdict === 'lost')
    ? 'lost'
    : findings.length > 0
      ? 'leaked'
      : 'survived';
  return {
    action: scenario.action,
    about: scenario.about,
    call: each.call,
    fault: each.fault,
    verdict,
    missed: !struck,
    succeeded: attempt.exitCode === 0,
    findings: findings.map((finding) => `${finding.verdict}: ${finding.what}`),
  };
}

async function strike(
  world: FaultWorld,
  { request }: Prepared,
  each: Case,
): Promise<{ attempt: Attempt; struck: boolean }> {
  let running: ReturnType<typeof startAction> | undefined;
  each.arm(world, {
    reached: async () => {
      if (each.ending === 'none' || !running) return;
      running.signal(each.ending === 'SIGTERM' ? 'SIGTERM' : 'SIGKILL');
      if (each.ending !== 'SIGTERM') await running.done;
      else await Bun.sleep(50);
    },
  });
  running = startAction(world, request);
  const attempt = await running.done;
  const struck = each.struck(world);
  // What still runs on the other side goes on to its end, as it does behind a killed driver.
  await world.linstorProxy.idle();
  if (each.ending.startsWith('SIGKILL') && each.call.startsWith('ssh')) {
    if (each.fault.includes('after')) await Bun.sleep(1500);
    running.sweep();
  }
  world.mend();
  return { attempt, struck };
}

async function judge(world: FaultWorld, prepared: Prepared, each: Case, first: Attempt): Promise<Finding[]> {
  const { scenario, before, golden, request } = prepared;
  const now = await observe(world);
  const findings = losses(scenario, before, golden.observation, now);
  if (first.exitCode === 0) return [...findings, ...untrue(golden, now, first)];
  const killed = each.ending.startsWith('SIGKILL');
  if (!killed) findings.push(...badMessage(first));
  if (!killed && !each.lasting) findings.push(...leftovers(before, now));
  if (each.ending === 'SIGKILL, given up') {
    const left = await cleanUp(world, prepared, first);
    return [
      ...findings,
      ...left.map((what) => ({ verdict: 'leaked' as const, what: `after the clean-up: ${what}` })),
    ];
  }
  const second = await startAction(world, request).done;
  if (second.exitCode !== 0) {
    // Complete, and OpenNebula was never told: it does not ask again, and the driver must not overwrite it.
    if (scenario.makesImage && (killed || each.lasting) && second.stderr.includes('[LINSTOR_EXISTS]'))
      return findings;
    return [...findings, { verdict: 'leaked', what: `the retry fails: ${second.stderr.trim().slice(-400)}` }];
  }
  const end = await observe(world);
  const wrong = untrue(golden, end, second).map((finding) => ({
    ...finding,
    what: `after the retry: ${finding.what}`,
  }));
  return [...findings, ...losses(scenario, before, golden.observation, end), ...wrong];
}

/** As an operator ends it: VMs deleted, images deleted; returns what is left in LINSTOR and on the hosts. */
async function cleanUp(
  world: FaultWorld,
  { scenario, request }: Prepared,
  attempt: Attempt,
): Promise<string[]> {
  const { one } = world;
  const store = one.options.store;
  const failures: string[] = [];
  const check = (operation: {
    command: string;
    calls: readonly { exitCode: number; stderr: string }[];
  }): void => {
    for (const call of operation.calls)
      if (call.exitCode !== 0) failures.push(`${operation.command}: ${call.stderr.trim()}`);
  };
  if (attempt.exitCode === 0 && request.kind === 'datastore' && scenario.makesImage) {
    store.update((state) => {
      const image = state.images.at(-1);
      if (image) image.source = attempt.reply.split(' ')[0] ?? '';
    });
  }
  if (/(?:pre|fail)migrate$/.test(scenario.action)) {
    // The VM stays where it was.
    await startAction(world, { ...request, action: 'failmigrate' }).done;
    store.update((state) => {
      for (const vm of state.vms) {
        if (vm.lcmState !== lcm.MIGRATE) continue;
        vm.history.pop();
        vm.lcmState = lcm.RUNNING;
      }
    });
  }
  if (scenario.action.includes('/prebackup'))
    await startAction(world, { ...request, action: request.action.replace('pre', 'post') }).done;
  // A migration that failed is cleaned up in both places.
  store.update((state) => {
    for (const vm of state.vms)
      if (vm.lcmState === lcm.PROLOG_MIGRATE_POWEROFF) vm.lcmState = lcm.PROLOG_MIGRATE_POWEROFF_FAILURE;
  });
  for (const vm of one.read().vms) check(await one.recoverDelete(vm.id));
  store.update((state) => {
    for (const image of state.images) Object.assign(image, { state: 1, vms: [], targetSnapshot: -1 });
  });
  for (const image of one.read().images) check(await one.deleteImage(image.id));
  const now = await observe(world);
  // Nobody calls again after a postmigrate that failed: links on the host that was left are gc's.
  const links = scenario.action === 'tm/postmigrate' && attempt.exitCode !== 0 ? {} : now.links;
  // What is in the trash is known by its note, and goes in time; what is somebody else's stays.
  const isLeft = (name: string): boolean => {
    const resource = name.replace(/\/.*$/, '');
    return now.trash[resource] === undefined && parseResource('', resource) !== undefined;
  };
  return [
    ...failures,
    ...Object.keys(now.resources).filter(isLeft),
    ...Object.keys(now.snapshots).filter(isLeft),
    ...Object.entries(links).flatMap(([path, what]) => (what === 'directory' ? [] : [`${path}: ${what}`])),
    ...now.temporary,
  ];
}
