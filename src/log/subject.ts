import type { ActionKind } from '../call.ts';
import { isDigits } from '../digits.ts';

/** What an action is about, as far as its arguments say; enough to find it again in the log. */
export interface Subject {
  readonly vm?: number;
  readonly disk?: number;
  readonly image?: number;
  readonly datastore?: number;
  readonly host?: string;
}

/** Where the VM id stands in the arguments of tm actions, counted from the end (contract §3.2). */
const vmFromEnd: Readonly<Record<string, number>> = { restore: 4 };
/** `premigrate src dst dir vmid dsid [marker]`: counted from the start. */
const vmFromStart: Readonly<Record<string, number>> = { premigrate: 3, postmigrate: 3, failmigrate: 3 };
/** Actions without a VM. */
const withoutVm: ReadonlySet<string> = new Set(['monitor']);

export function subjectOf(kind: ActionKind, name: string, argv: readonly string[]): Subject {
  if (kind === 'datastore') return datastoreSubject(name, argv);
  if (kind === 'vmm') return vmmSubject(argv);
  if (withoutVm.has(name)) return numbered('datastore', argv.at(-1));
  const start = vmFromStart[name];
  const index = start ?? argv.length - (vmFromEnd[name] ?? 2);
  return {
    ...numbered('vm', argv[index]),
    ...(name === 'restore' ? {} : numbered('datastore', argv[index + 1])),
    ...pathSubject(argv),
  };
}

/** `<message> <id>`, `- <id>` or `<id>` (contract §1.2); of `stat` and `monitor` the id is no image. */
function datastoreSubject(name: string, argv: readonly string[]): Subject {
  const key = name === 'monitor' ? 'datastore' : name === 'stat' ? undefined : 'image';
  return key ? numbered(key, argv.at(-1)) : {};
}

/** save/restore: `deploy-id file host vm-id …`; the checkpoint lies in the VM's directory. */
function vmmSubject(argv: readonly string[]): Subject {
  const directory = argv.map((word) => /\/(\d+)\/checkpoint$/.exec(word)?.[1]).find((id) => id !== undefined);
  return numbered('vm', directory);
}

/** `host:<vmdir>/disk.3` */
function pathSubject(all: readonly string[]): Subject {
  const argv = all.filter((word) => word.includes(':'));
  for (const word of argv.toReversed()) {
    const found = /^([^:/]+):.*\/disk\.(\d+)$/.exec(word);
    if (found?.[1]) return { disk: Number(found[2]), host: found[1] };
  }
  const directory = argv.map((word) => /^([^:/]+):\//.exec(word)?.[1]).findLast((host) => host !== undefined);
  return directory ? { host: directory } : {};
}

function numbered(key: 'vm' | 'image' | 'datastore', text: string | undefined): Subject {
  return text !== undefined && isDigits(text) ? { [key]: Number(text) } : {};
}
