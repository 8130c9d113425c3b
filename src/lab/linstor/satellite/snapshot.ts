import { copyImage, imageExists, linkImage } from '../data/files.ts';
import { byName, sameName } from '../model/name.ts';
import { isOnline } from '../model/node.ts';
import { findPool, spoken } from '../model/pool.ts';
import { findResource, isDiskless, isDrbd, type LabResource } from '../model/resource.ts';
import type { LabSnapshot, SnapshotPart } from '../model/snapshot.ts';
import { CREATED, MODIFIED } from '../rest/codes.ts';
import type { Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { beginRound, pass } from './pass.ts';
import type { SnapshotPlan } from './snapshot-plan.ts';

/** All listed snapshots at one point in time. A failing satellite leaves FAILED_DEPLOYMENT behind. */
export async function takeSnapshots(
  lab: Runtime,
  reply: Reply,
  plans: readonly SnapshotPlan[],
): Promise<void> {
  try {
    await round(lab, reply, plans, 'suspend');
    await round(lab, reply, plans, 'take');
    await round(lab, reply, plans, 'resume');
  } catch (error) {
    for (const { snapshot } of plans) snapshot.flags = ['FAILED_DEPLOYMENT'];
    throw error;
  }
  for (const { snapshot } of plans) snapshot.flags = ['SUCCESSFUL'];
}

type Step = 'suspend' | 'take' | 'resume';

const lines: Record<Step, (names: string, node: string) => string> = {
  suspend: (names, node) => `Suspended IO of '[${names}]' on '${node}' for snapshot`,
  take: (names, node) => `Took snapshot of '[${names}]' on '${node}'`,
  resume: (names, node) => `Resumed IO of '[${names}]' on '${node}' after snapshot`,
};

async function round(lab: Runtime, reply: Reply, plans: readonly SnapshotPlan[], step: Step): Promise<void> {
  beginRound(
    lab,
    plans.flatMap((plan) => plan.definition.resources),
  );
  for (const node of byName(lab.state.nodes, (item) => item.name)) {
    if (!isOnline(node)) continue;
    const here = plans.flatMap((plan) => {
      const resource = findResource(plan.definition, node.name);
      return resource ? [{ plan, resource }] : [];
    });
    for (const { plan, resource } of here) {
      await pass(lab, reply, plan.definition, {
        resources: [resource],
        counted: true,
        extra: () => onNode(lab, reply, plan, resource, step),
      });
    }
    if (here.length === 0) continue;
    const names = here.map(({ plan }) => plan.definition.name).join(', ');
    reply.add(MODIFIED, lines[step](names, node.name));
  }
}

async function onNode(
  lab: Runtime,
  reply: Reply,
  plan: SnapshotPlan,
  resource: LabResource,
  step: Step,
): Promise<void> {
  const { definition, snapshot } = plan;
  const refs = { RscDfn: definition.name, Snapshot: snapshot.name };
  if (isDiskless(resource)) {
    const text = `(${resource.node}) Skipping processing unknown snapshot '${snapshot.name}' of resource '${definition.name}'`;
    reply.add(0, text, { object: 'snapshot', cause: 'Resource is already deleted', refs });
    return;
  }
  const part = snapshot.parts.find((item) => sameName(item.node, resource.node));
  if (step !== 'take' || !part) return;
  for (const volume of part.volumes) {
    // One of that name which the controller has forgotten is taken for the new one, without a word (linstor-behaviour §3.12).
    if (imageExists(volume.file)) continue;
    await copyContent(resource, snapshot, part, volume.number);
    const kind = spoken(findPool(lab.state, resource.node, volume.pool)?.provider ?? 'FILE_THIN');
    reply.add(
      CREATED,
      `(${resource.node}) Snapshot [${kind}] with name '${snapshot.name}' of resource '${definition.name}', volume number ${volume.number} created.`,
      { object: 'snapshot', refs: { ...refs, VlmNr: String(volume.number) } },
    );
  }
}

/** Real bytes; parts of a DRBD snapshot are links to the first copy, as all replicas are the same. */
async function copyContent(
  resource: LabResource,
  snapshot: LabSnapshot,
  part: SnapshotPart,
  number: number,
): Promise<void> {
  const target = part.volumes.find((item) => item.number === number);
  const source = resource.volumes.find((item) => item.number === number)?.file;
  if (!target || !imageExists(source)) return;
  const twin = isDrbd(resource)
    ? snapshot.parts
        .filter((other) => other !== part)
        .flatMap((other) => other.volumes)
        .find((item) => item.number === number && imageExists(item.file))
    : undefined;
  if (twin) linkImage(twin.file, target.file);
  else await copyImage(source, target.file);
}
