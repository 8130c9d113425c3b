import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { findNode } from '../model/node.ts';
import { isDrbd } from '../model/resource.ts';
import type { Runtime } from '../runtime.ts';

/**
 * A node that gets no processor for longer than DRBD's ping time-out (0.5 s) loses its peers, and with them the quorum of every
 * resource that has one: nobody opens those for writing there any more. LINSTOR's satellite on it answers meanwhile. The lab's
 * hosts show the devices read-only (`ssh-script.ts`); who has one open already goes on, where a real one gets I/O errors.
 */
export function starve(lab: Runtime, name: string, starved: boolean): void {
  const node = findNode(lab.state, name);
  if (!node) throw new Error(`the lab has no node '${name}'`);
  if (starved) node.starved = true;
  else delete node.starved;
  const list = join(lab.root, 'noquorum', node.name);
  if (!starved) {
    rmSync(list, { force: true });
    return;
  }
  const devices = lab.state.definitions
    .filter(({ props }) => props['DrbdOptions/Resource/quorum'] === 'majority')
    .flatMap(({ resources }) => resources.filter((item) => item.node === node.name && isDrbd(item)))
    .flatMap(({ volumes }) => volumes.flatMap(({ topDevice }) => topDevice ?? []));
  mkdirSync(join(lab.root, 'noquorum'), { recursive: true });
  writeFileSync(list, devices.map((device) => `${basename(device)}\n`).join(''));
}
