import { isListed } from '../adopt/address.ts';
import { isLinbits, type LinbitPlan, planMove } from '../adopt/linbit-plan.ts';
import type { Context } from '../context.ts';
import { isOurs } from '../disks/disk-call.ts';
import { DriverError, toDriverError } from '../errors.ts';
import type { Datastore } from '../opennebula/one.ts';
import { datastoreType } from '../opennebula/states.ts';
import { type CliEnvironment, operatorCommand, printJson } from './command.ts';
import { paintFor } from './paint.ts';
import { wrapText } from './table.ts';

export const adopt = operatorCommand({
  name: 'adopt',
  summary:
    'Move an installation of LINBIT’s driver: its images, and the disks of powered-off VMs, become images of this driver, on the same LINSTOR. Shows the plan; --yes carries it out, and may be interrupted and repeated. Nothing of the old images is removed.',
  args: {
    'from-linbit': { type: 'boolean', description: 'from the datastores whose driver is “linstor”' },
    into: {
      type: 'string',
      valueHint: 'DATASTORE',
      description: 'image datastore of this driver (id or name)',
    },
    yes: { type: 'boolean', alias: 'y', description: 'carry it out' },
    json: { type: 'boolean', description: 'the plan as one JSON document' },
  },
  exitCodes: [
    [0, 'the plan is shown, or all that can be moved is moved'],
    [1, 'something was not moved; the reason is printed'],
  ],
  examples: [
    ['adopt --from-linbit --into default', 'what would be done'],
    ['adopt --from-linbit --into default --yes', 'do it; the same command goes on where it was interrupted'],
  ],
  run: async (args, environment) => {
    if (!args['from-linbit'])
      throw new DriverError('USAGE', 'adopt: say from where: --from-linbit', {
        remedy: 'one volume alone: oneimage create --path linstor://RESOURCE -d DATASTORE',
      });
    const context = await environment.context();
    const target = await targetFor(context, args.into);
    const plan = await planOf(context, target);
    const unlisted = requireListed(context, target, plan);
    if (args.json) printJson(environment, documentOf(plan));
    else environment.terminal.out(renderPlan(plan, target, unlisted, environment));
    if (!args.yes) return 0;
    if (unlisted.length > 0)
      throw new DriverError('USAGE', `ADOPT_ALLOW of datastore ${target.id} does not name ${unlisted[0]}`, {
        remedy: `onedatastore update ${target.id}: ADOPT_ALLOW = "OpenNebula-*"`,
      });
    return carryOut(context, environment, target, plan);
  },
});

async function targetFor(context: Context, wanted: string | undefined): Promise<Datastore> {
  const ours = (await context.one.datastores()).filter(
    (each) => isOurs(each) && each.type === datastoreType.IMAGE,
  );
  const found =
    wanted === undefined && ours.length === 1
      ? ours[0]
      : (ours.find(({ id }) => String(id) === wanted) ?? ours.find(({ name }) => name === wanted));
  if (found) return found;
  throw new DriverError(
    'USAGE',
    wanted === undefined
      ? 'adopt: into which datastore?'
      : `“${wanted}” is not an image datastore of this driver`,
    { remedy: `--into ${ours.map(({ name }) => name).join(' | ') || 'DATASTORE (make one first)'}` },
  );
}

async function planOf(context: Context, target: Datastore): Promise<LinbitPlan> {
  const linstor = context.linstor(context.settings(target.template));
  const [definitions, datastores, images, vms] = await Promise.all([
    linstor.definitions(),
    context.one.datastores(),
    context.one.images(),
    context.one.vms(),
  ]);
  if (!datastores.some(isLinbits))
    throw new DriverError('USAGE', 'no datastore has the driver “linstor”: there is nothing to move', {
      remedy: 'onedatastore list',
    });
  return planMove({ definitions, datastores, images, vms, target: target.id });
}

/** Volumes of the plan that ADOPT_ALLOW does not name: `cp` would refuse them one by one. */
function requireListed(context: Context, target: Datastore, plan: LinbitPlan): string[] {
  const { adoptAllow } = context.settings(target.template);
  const names = [
    ...plan.images.filter(({ made, left }) => !made && left === undefined).map(({ resource }) => resource),
    ...plan.vms
      .filter(({ left }) => left === undefined)
      .flatMap(({ disks }) => disks.flatMap(({ resource }) => resource ?? [])),
  ];
  return names.filter((name) => !isListed(name, adoptAllow));
}

function documentOf(plan: LinbitPlan): unknown {
  return {
    images: plan.images.map(({ image, resource, format, made, left }) => ({
      image: image.id,
      name: image.name,
      resource,
      format,
      becomes: made?.id ?? null,
      left: left ?? null,
    })),
    vms: plan.vms.map(({ vm, disks, waiting, left }) => ({
      vm: vm.id,
      name: vm.name,
      disks: disks.map(({ disk, resource, image }) => ({
        disk: disk.id,
        resource: resource ?? null,
        image: image ?? null,
      })),
      attach: waiting.map(({ id }) => id),
      left: left ?? null,
    })),
  };
}

function renderPlan(
  { images, vms }: LinbitPlan,
  target: Datastore,
  unlisted: readonly string[],
  { terminal }: CliEnvironment,
): string {
  const paint = paintFor(terminal.color);
  const lines = [paint.strong(`From LINBIT’s driver into datastore ${target.id} (${target.name})`), ''];
  const add = (text: string): void => {
    lines.push(
      ...wrapText(text, terminal.columns - 4).map((line, index) => `${index === 0 ? '  ' : '    '}${line}`),
    );
  };
  for (const { image, resource, format, made, left } of images) {
    const what = `image ${image.id} “${image.name}” (${resource}${format === 'qcow2' ? ', qcow2 in it: unpacked' : ''})`;
    if (made) add(`${paint.good('done')}  ${what} is image ${made.id}`);
    else if (left !== undefined) add(`${paint.warn('left')}  ${what}: ${left}`);
    else add(`move  ${what}`);
  }
  for (const { vm, disks, waiting, left } of vms) {
    const ids = disks.map(({ disk }) => disk.id).join(', ');
    const what = `VM ${vm.id} “${vm.name}”, ${disks.length === 1 ? 'disk' : 'disks'} ${ids}`;
    if (left !== undefined) add(`${paint.warn('left')}  ${what}: ${left}`);
    else if (disks.length > 0) add(`move  ${what}`);
    if (left === undefined && waiting.length > 0)
      add(
        `move  VM ${vm.id}: attach ${waiting.map(({ id }) => `image ${id}`).join(', ')}, left by an interrupted move`,
      );
  }
  if (images.length + vms.length === 0) add('nothing is there');
  if (unlisted.length > 0)
    lines.push(
      '',
      `  First: ADOPT_ALLOW = "OpenNebula-*" in datastore ${target.id} (onedatastore update ${target.id})`,
    );
  return `${lines.join('\n')}\n`;
}

async function carryOut(
  context: Context,
  { terminal }: CliEnvironment,
  target: Datastore,
  plan: LinbitPlan,
): Promise<number> {
  const { moveImage, moveVm } = await import('../adopt/linbit-move.ts');
  const tell = (text: string): void => terminal.message('info', text);
  let failures = 0;
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (context.signal.aborted) throw error;
      failures += 1;
      const { message, remedy, code } = toDriverError(error);
      terminal.message('error', `${what}: ${message} – ${remedy} [${code}]`);
    }
  };
  for (const move of plan.images.filter(({ left }) => left === undefined))
    await attempt(`image ${move.image.id}`, () => moveImage(context, target.id, move, tell));
  // What the VMs need of the images is known by now.
  const again = await planOf(context, target);
  for (const move of again.vms.filter(({ left }) => left === undefined))
    await attempt(`VM ${move.vm.id}`, () => moveVm(context, target.id, move, tell));
  const rest = again.vms.filter(({ left }) => left !== undefined).length;
  if (failures === 0)
    terminal.message('success', rest === 0 ? 'all is moved' : `all is moved but ${rest} VMs; see the plan`);
  return failures === 0 ? 0 : 1;
}
