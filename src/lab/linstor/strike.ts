import type { Fault } from './faults.ts';
import type { Runtime } from './runtime.ts';
import { hang, setConnection } from './satellite/connection.ts';
import { cut, kill, rejoin, starve } from './satellite/starved.ts';

/** What is broken in the cluster itself, apart from rules that wait for a call. */
export interface ClusterDamage {
  readonly pools: readonly { readonly node: string; readonly pool: string; readonly freeKib: number }[];
  /** Node → seconds that its new device nodes are late. */
  readonly lateDevices: Readonly<Record<string, number>>;
  /** Node → what its satellite fails with next. */
  readonly satellites: Readonly<Record<string, string>>;
  /** Node → seconds that everything takes there. */
  readonly slow: Readonly<Record<string, number>>;
  /** Nodes on which DRBD has lost its peers. */
  readonly starved: readonly string[];
  /** Without power. */
  readonly dead: readonly string[];
  /** On the far side of a cut network. */
  readonly cut: readonly string[];
  /** Satellites that answer nothing. */
  readonly hung: readonly string[];
}

/** A fault of the cluster stays until it is undone; faults of a call are no business of this. */
export async function strikeCluster(runtime: Runtime, fault: Fault): Promise<void> {
  switch (fault.kind) {
    case 'node':
      await setConnection(runtime, fault.node, fault.connection);
      break;
    case 'pool': {
      const pool = runtime.state.pools.find((item) => item.node === fault.node && item.name === fault.pool);
      if (pool && fault.freeKib !== null) pool.forcedFreeKib = fault.freeKib;
      else if (pool) delete pool.forcedFreeKib;
      break;
    }
    case 'device-late':
      if (fault.seconds > 0) runtime.faults.lateDevices.set(fault.node, fault.seconds);
      else runtime.faults.lateDevices.delete(fault.node);
      break;
    case 'satellite':
      runtime.faults.satelliteErrors.set(fault.node, fault.message);
      break;
    case 'slow':
      if (fault.seconds > 0) runtime.work.slow.set(fault.node, fault.seconds);
      else runtime.work.slow.delete(fault.node);
      break;
    case 'starved':
      starve(runtime, fault.node, true);
      break;
    case 'hang-node':
      hang(runtime, fault.node, fault.seconds);
      break;
    case 'dead':
      kill(runtime, fault.node, fault.seconds);
      break;
    case 'cut':
      cut(runtime, [fault.node, ...(fault.with ?? [])], fault.seconds);
      break;
    case 'resize-late':
      runtime.faults.lateResizes.push(fault.seconds);
      break;
    default:
  }
}

/** As `strikeCluster`, at once and by name: throws when there is no such node or pool, or the fault is one of a call. */
export async function strikeNow(runtime: Runtime, fault: Fault): Promise<ClusterDamage> {
  const { nodes, pools } = runtime.state;
  if (!('node' in fault)) throw new Error(`a fault of kind '${fault.kind}' needs a call that it strikes`);
  if (!nodes.some(({ name }) => name === fault.node)) throw new Error(`the lab has no node '${fault.node}'`);
  if (fault.kind === 'pool' && !pools.some(({ node, name }) => node === fault.node && name === fault.pool))
    throw new Error(`node '${fault.node}' has no pool '${fault.pool}'`);
  await strikeCluster(runtime, fault);
  runtime.save();
  return damage(runtime);
}

/** Satellites are back, pools have their space, devices come at once: on one node, or on all. */
export async function mendCluster(runtime: Runtime, only?: string): Promise<ClusterDamage> {
  const { state, faults } = runtime;
  if (only !== undefined && !state.nodes.some(({ name }) => name === only))
    throw new Error(`the lab has no node '${only}'`);
  for (const { name } of state.nodes) {
    if (only !== undefined && name !== only) continue;
    faults.lateDevices.delete(name);
    faults.satelliteErrors.delete(name);
    runtime.work.slow.delete(name);
    for (const pool of state.pools) if (pool.node === name) delete pool.forcedFreeKib;
    await rejoin(runtime, name);
  }
  runtime.save();
  return damage(runtime);
}

export function damage({ state, faults, work }: Runtime): ClusterDamage {
  return {
    pools: state.pools.flatMap(({ node, name, forcedFreeKib }) =>
      forcedFreeKib === undefined ? [] : [{ node, pool: name, freeKib: forcedFreeKib }],
    ),
    lateDevices: Object.fromEntries(faults.lateDevices),
    satellites: Object.fromEntries(faults.satelliteErrors),
    slow: Object.fromEntries(work.slow),
    starved: state.nodes.flatMap(({ name, starved }) => (starved ? [name] : [])),
    dead: state.nodes.flatMap(({ name, dead }) => (dead ? [name] : [])),
    cut: state.nodes.flatMap(({ name, side }) => (side === undefined ? [] : [name])),
    hung: work.hung,
  };
}
