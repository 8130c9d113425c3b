import type { Context } from '../context.ts';
import { DriverError, isDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, PlacementFilter, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import { isReplyLost } from '../linstor/reply-lost.ts';
import type { KiB } from '../units.ts';
import { balanceProperty, copyMark, madeByMark, marks, registrationMark } from './marks.ts';
import type { DefinitionPlan } from './placement.ts';
import { isReadableMark } from './readable.ts';
import { clearLeftover } from './reclaim.ts';
import { removeResource } from './remove.ts';

/** A definition that is ours alone: the removal is on the undo stack before it can exist. */
export async function createDefinition(
  ctx: Context,
  linstor: Linstor,
  name: ResourceName,
  plan: DefinitionPlan,
  props: Readonly<Record<string, string>>,
): Promise<void> {
  const { nonce } = claim(ctx, linstor, name);
  const create = async (): Promise<void> => {
    await linstor.createDefinition({
      name,
      group: plan.group,
      ...(plan.layers.length > 0 ? { layers: plan.layers } : {}),
      // First: the undo knows by it that the definition is ours.
      props: { [madeByMark(name)]: nonce, ...props, ...(await planProps(linstor, plan)) },
    });
  };
  try {
    await unlessLate(ctx, linstor, name, props, nonce, create);
  } catch (error) {
    if (!isLinstorError(error, 'FAIL_EXISTS_RSC_DFN')) throw error;
    await explainExisting(linstor, name, nonce);
  }
}

/**
 * `make`, once more when what stands in its way is the work of a try that was ended: its request waited in the controller, and
 * was carried out after this try had seen that there is nothing. The caller holds the lock, so nobody is at work on it.
 */
async function unlessLate<T>(
  ctx: Context,
  linstor: Linstor,
  name: ResourceName,
  props: Readonly<Record<string, string>>,
  nonce: string,
  make: () => Promise<T>,
): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!isLinstorError(error, 'FAIL_EXISTS_RSC_DFN')) throw error;
    const [existing] = await linstor.definitions({ names: [name] });
    const own = existing?.props[madeByMark(name)] === nonce;
    if (!existing || own || !isLate(existing, props)) throw error;
    await clearLeftover(ctx, linstor, name, existing);
    return make();
  }
}

/** The same disk of the same deployment, or the same registration of an image: no other OpenNebula has these. */
function isLate(existing: ResourceDefinition, props: Readonly<Record<string, string>>): boolean {
  const { name, flags } = existing;
  if (flags.includes('DELETE') || existing.props[madeByMark(name)] === undefined) return false;
  // LINSTOR spells the values of its own properties its own way.
  const marked = Object.entries(props).filter(([key]) => key.startsWith('Aux/') && !isReadableMark(key));
  const wanted = marked.filter(([key]) => key !== copyMark(name));
  const identified = wanted.some(([key]) => key === marks.deployment || key === registrationMark(name));
  return identified && wanted.every(([key, value]) => existing.props[key] === value);
}

/** What is made under this nonce is ours, and removed by undo. */
function claim(ctx: Context, linstor: Linstor, name: ResourceName): { nonce: string; forget: () => void } {
  const nonce = crypto.randomUUID();
  const forget = ctx.undo.push(
    `remove resource ${name}`,
    async () => {
      const [definition] = await linstor.definitions({ names: [name] });
      if (definition?.props[madeByMark(name)] === nonce) await removeResource(ctx, linstor, name);
    },
    { removes: name },
  );
  return { nonce, forget };
}

async function planProps(
  linstor: Linstor,
  { unbalanced, policy = {} }: DefinitionPlan,
): Promise<Readonly<Record<string, string>>> {
  const keepAway = unbalanced && (await linstor.capabilities()).balanceProperty;
  return keepAway ? { ...policy, [balanceProperty]: 'False' } : policy;
}

/** `ours`: it is there, but the answer that told of it was lost. `cannot`: nothing was made, single steps have to do it. */
export type Spawned = 'made' | 'ours' | 'cannot';

export interface SpawnRequest {
  readonly name: ResourceName;
  readonly plan: DefinitionPlan;
  readonly props: Readonly<Record<string, string>>;
  readonly sizeKib: KiB;
  readonly options: { readonly filter?: PlacementFilter; readonly definitionsOnly?: boolean };
}

/**
 * A new definition with its volume and its marks, and with replicas where they are asked for: all or nothing (linstor-behaviour §3.5). Its
 * removal is on the undo stack before it can exist.
 */
export async function spawnMarked(ctx: Context, linstor: Linstor, request: SpawnRequest): Promise<Spawned> {
  const { name, plan, props, sizeKib, options } = request;
  const { nonce, forget } = claim(ctx, linstor, name);
  // The group's volume group has another number, and SOURCE strings and every action mean volume 0.
  const withoutZero = async (): Promise<Spawned> => {
    ctx.log.info(`resource group ${plan.group} does not number its volume 0; ${name} is made step by step`);
    await removeResource(ctx, linstor, name);
    forget();
    return 'cannot';
  };
  try {
    const made = { ...props, ...(await planProps(linstor, plan)), [madeByMark(name)]: nonce };
    const outcome = await unlessLate(ctx, linstor, name, props, nonce, () =>
      linstor.spawn(plan.group, name, [sizeKib], {
        ...options,
        filter: { ...options.filter, ...(plan.layers.length > 0 ? { layers: plan.layers } : {}) },
        props: made,
        marked: true,
      }),
    );
    const numbers = outcome.entries.flatMap(({ refs }) => refs['VlmNr'] ?? []);
    return numbers.length === 0 || numbers.includes('0') ? 'made' : await withoutZero();
  } catch (error) {
    // 228: the group has several volume groups.
    const cannot =
      isLinstorError(error, 'FAIL_INVLD_VLM_SIZES') ||
      (isDriverError(error, 'LINSTOR_UNSUPPORTED') && !isLinstorError(error));
    if (cannot) {
      forget();
      return 'cannot';
    }
    if (isLinstorError(error, 'FAIL_EXISTS_RSC_DFN')) {
      const existing = await explainExisting(linstor, name, nonce);
      return hasZero(existing) ? 'ours' : withoutZero();
    }
    if (!isReplyLost(error) || error.late) throw error;
    const [existing] = await linstor.definitions({ names: [name] });
    if (existing?.props[madeByMark(name)] !== nonce) return 'cannot';
    return hasZero(existing) ? 'ours' : withoutZero();
  }
}

const hasZero = ({ volumes }: ResourceDefinition): boolean => volumes.some((volume) => volume.number === 0);

/** 501 may be the echo of our own request whose reply was lost. Returns what is ours. */
async function explainExisting(
  linstor: Linstor,
  name: ResourceName,
  nonce: string,
): Promise<ResourceDefinition> {
  const [existing] = await linstor.definitions({ names: [name] });
  if (existing?.props[madeByMark(name)] === nonce) return existing;
  if (existing?.flags.includes('DELETE')) {
    throw new DriverError('LINSTOR_DELETING', `resource ${name} is still being deleted`);
  }
  throw new DriverError('LINSTOR_EXISTS', `resource ${name} already exists`);
}
