import { relative } from 'node:path';
import type { ActionKind } from '../actions/action.ts';
import { actions, installedNames } from '../actions/registry.ts';
import type { Layout } from './layout.ts';
import launcherText from './shell/launcher.sh' with { type: 'text' };
import placerText from './shell/placer.sh' with { type: 'text' };
import processorText from './shell/processor.sh' with { type: 'text' };

/**
 * Bun's programs need SSE4.2 on x86-64, its baseline build too. The default processor of many a virtual machine (kvm64,
 * qemu64) lacks it: every action would end with an illegal instruction, code 132, and no word. Shell alone, no process.
 */
const processorCheck = process.arch === 'x64' ? processorText : '';

/**
 * What stands below `remotes/`: `onehost sync` copies that tree to every host and follows links, so each action would
 * be a copy of the binary there (contract §7.5). The links lead to this script of a few bytes, inside `remotes/`: a
 * link out of it would dangle once the binary is gone, and a dangling link makes the sync of every host fail.
 */
export function launcherScript(layout: Layout): string {
  return launcherText
    .replace('# @processor@\n', () => processorCheck)
    .replaceAll('@binary@', () => layout.binary)
    .replaceAll('@var@', () => layout.varDir);
}

/**
 * What one_sched calls as placer. The program adds to the message where data are; whatever keeps it from that – it is missing, it fails, it
 * takes more than twenty seconds – the message goes on as it came to the placer that was there before.
 */
export const placerScript = (layout: Layout, next: string): string =>
  placerText.replaceAll('@binary@', () => layout.binary).replaceAll('@next@', () => next);

/** Which one a script of ours hands on to. */
export const nextPlacerOf = (script: string): string | undefined =>
  /^next=([A-Za-z0-9_.-]+)$/m.exec(script)?.[1];

const folders: Readonly<Record<ActionKind, string>> = {
  datastore: 'datastore/linstor_un',
  tm: 'tm/linstor_un',
  vmm: 'vmm/kvm',
};

export interface ActionLink {
  readonly kind: ActionKind;
  readonly name: string;
  readonly path: string;
  readonly target: string;
}

/** One link for every name that OpenNebula may call. */
export function actionLinks(layout: Layout): ActionLink[] {
  return actions.flatMap((action) =>
    installedNames(action).map((name) => {
      const folder = `${layout.remotes}/${folders[action.kind]}`;
      return {
        kind: action.kind,
        name,
        path: `${folder}/${name}`,
        target: relative(folder, layout.launcher),
      };
    }),
  );
}
