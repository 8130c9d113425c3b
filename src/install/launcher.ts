import { relative } from 'node:path';
import type { ActionKind } from '../actions/action.ts';
import { actions, installedNames } from '../actions/registry.ts';
import type { Layout } from './layout.ts';

/**
 * Bun's programs need SSE4.2 on x86-64, its baseline build too. The default processor of many a virtual machine (kvm64,
 * qemu64) lacks it: every action would end with an illegal instruction, code 132, and no word. Shell alone, no process.
 */
const processorCheck =
  process.arch === 'x64'
    ? `while read -r key value; do
  case $key in
  flags)
    case " $value " in *' sse4_2 '*) ;; *)
      echo "linstor_un: this machine's processor lacks SSE4.2; give the virtual machine another CPU model, for example host-passthrough or x86-64-v2" >&2
      exit 1 ;;
    esac
    break ;;
  esac
done </proc/cpuinfo
`
    : '';

/**
 * What stands below `remotes/`: `onehost sync` copies that tree to every host and follows links, so each action would
 * be a copy of the binary there (contract §7.5). The links lead to this script of a few bytes, inside `remotes/`: a
 * link out of it would dangle once the binary is gone, and a dangling link makes the sync of every host fail.
 */
export function launcherScript(layout: Layout): string {
  return `#!/bin/sh
# linstor_un: passes the name that was called on to the binary, which is outside remotes/.
unset NODE_TLS_REJECT_UNAUTHORIZED NODE_EXTRA_CA_CERTS BUN_CONFIG_VERBOSE_FETCH
ulimit -c 0 2>/dev/null
d=\${0%/*}
case $d in /*) ;; *) d=$(cd "$d" && pwd) ;; esac
k=\${d%/*}
b=${layout.binary}
[ -x "$b" ] || b=\${d%%${layout.varDir}/remotes/*}$b
if [ ! -x "$b" ]; then
  echo "linstor_un: ${layout.binary} is not on this machine; run 'linstor_un install' on the front-end" >&2
  exit 1
fi
${processorCheck}LINSTOR_UN_CALLED_AS=$d/\${0##*/} exec "$b" "\${k##*/}" "\${0##*/}" "$@"
`;
}

/**
 * What one_sched calls as placer. The program adds to the message where data are; whatever keeps it from that – it is missing, it fails, it
 * takes more than twenty seconds – the message goes on as it came to the placer that was there before.
 */
export const placerScript = (layout: Layout, next: string): string => `#!/bin/sh
# linstor_un: places VMs where their data are, then hands on.
next=${next}
message=$(cat)
d=\${0%/*}
placed=$(printf '%s\\n' "$message" | timeout -k 2 20 ${layout.binary} place 2>/dev/null) && [ -n "$placed" ] || placed=$message
printf '%s\\n' "$placed" | "$d/../$next/place"
`;

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
