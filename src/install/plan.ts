import { lstatSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import defaultConfig from '../../drivers/etc/datastore/linstor_un/linstor_un.conf' with { type: 'text' };
import { DriverError, toDriverError } from '../errors.ts';
import { serverIdOf } from '../hosts/front-end.ts';
import { nameByOned } from '../hosts/this-machine.ts';
import { driverName } from '../opennebula/driver-name.ts';
import { exists, infoOf, linkTarget, readBytes, readText } from './disk.ts';
import { actionLinks, launcherScript, nextPlacerOf, placerScript } from './launcher.ts';
import { type Layout, onDisk } from './layout.ts';
import { type EditEntry, type Manifest, sha256 } from './manifest.ts';
import { kvmDrivers, registerInOnedConf } from './oned-conf.ts';
import { type OnedEdit, placerIn, revertInOnedConf } from './oned-revert.ts';
import { type Entry, parseOnedConf, singlesOf } from './oned-syntax.ts';
import { ioClassAttributes, ioClasses } from './registration.ts';
import { unrestricted } from './restricted.ts';
import { type ConfigReview, findBashDriver, reviewConfig, unknownFiles } from './takeover.ts';
import { type ExecrcEdit, registerInExecrc, revertInExecrc, wantedPairs } from './vmm-execrc.ts';

/** What an installation is going to do, worked out from what is there; nothing is changed by planning. */
export type Step =
  | { readonly do: 'directory'; readonly path: string }
  | { readonly do: 'binary'; readonly path: string; readonly source: string }
  | { readonly do: 'file'; readonly path: string; readonly content: string; readonly mode: number }
  | { readonly do: 'link'; readonly path: string; readonly target: string }
  | { readonly do: 'set-aside'; readonly path: string; readonly backup: string }
  | {
      readonly do: 'edit';
      readonly path: string;
      readonly before: string;
      readonly after: string;
      /** Of all our edits in the file, also earlier ones. */
      readonly edits: EditEntry['edits'];
      /** The file without any of them. */
      readonly base: string;
    };

export interface Plan {
  readonly steps: readonly Step[];
  readonly kept: readonly string[];
  readonly conflicts: readonly string[];
  readonly bashDriver: boolean;
  readonly config: ConfigReview | undefined;
  readonly unknown: readonly string[];
  /** One of several front-ends, by SERVER_ID in oned.conf. */
  readonly highAvailability: boolean;
}

/** `binary`: the executable to install. Throws BAD_CONFIG when OpenNebula is not there or its files are not understood. */
export function planInstallation(
  layout: Layout,
  binary: string,
  manifest: Manifest | undefined,
  options: { readonly ioClasses?: boolean; readonly placer?: boolean } = {},
): Plan {
  const oned = readRequired(layout, layout.onedConf);
  const more = options.ioClasses ? ioClasses : [];
  const before = inFile(layout.onedConf, () => placerIn(parseOnedConf(oned)));
  // Once asked for, it stays until the driver goes.
  const withPlacer = options.placer === true || before?.name === driverName;
  const registered = inFile(layout.onedConf, () => registerInOnedConf(oned, more, withPlacer));
  const entries = parseOnedConf(registered.text);
  const links = actionLinks(layout);
  const bash = findBashDriver(layout, [layout.launcher, ...links.map((link) => link.path)]);
  const config = configStep(layout, bash.strayConfig);
  const steps: Step[] = [
    ...bash.files.map((path) => ({ do: 'set-aside', path, backup: layout.backups + path }) as const),
    ...binarySteps(layout, binary),
    ...fileStep(layout, { path: layout.launcher, content: launcherScript(layout), mode: 0o755 }),
    ...links.flatMap((link) => linkStep(layout, link.path, link.target, bash.files)),
    ...(withPlacer ? placerSteps(layout, before?.name) : []),
    ...config.steps,
    ...editSteps(layout, layout.onedConf, oned, registered.text, registered.edits, manifest, revertOned),
    ...execrcSteps(
      layout,
      kvmDrivers(entries).map((item) => item.name),
      manifest,
    ),
  ];
  const known = new Set([layout.launcher, ...links.map((link) => link.path), ...bash.files]);
  return {
    steps: withDirectories(layout, steps, bash.files),
    kept: [...registered.kept, ...namedByOned(oned)],
    conflicts: [
      ...registered.conflicts,
      ...unrestricted(entries).map(({ line, why }) => `${line} is not in oned.conf: ${why}`),
      ...(options.ioClasses ? openClasses(entries) : []),
    ],
    bashDriver: bash.present,
    config: config.review,
    unknown: unknownFiles(layout, known),
    highAvailability: isHighAvailability(oned),
  };
}

/** A limit that a tenant may set is none. */
function openClasses(entries: readonly Entry[]): string[] {
  const closed = new Set(
    singlesOf(entries, 'VM_RESTRICTED_ATTR').map((each) => each.value.text.toUpperCase()),
  );
  const open = ioClassAttributes.filter((name) => !closed.has(`DISK/${name}`));
  return open.length === 0
    ? []
    : [
        `VM_RESTRICTED_ATTR lacks ${open.map((name) => `DISK/${name}`).join(', ')}: a tenant could choose its own class`,
      ];
}

function namedByOned(onedConf: string): string[] {
  const name = nameByOned(onedConf);
  return name === undefined
    ? []
    : [`HOSTNAME = "${name}": the driver, too, takes that name for this front-end`];
}

export const isHighAvailability = (onedConf: string): boolean => serverIdOf(onedConf) >= 0;

function readRequired(layout: Layout, path: string): string {
  if (exists(layout, path)) return readText(layout, path);
  throw new DriverError(
    'BAD_CONFIG',
    `there is no ${onDisk(layout, path)}: OpenNebula's front-end is not installed here`,
    {
      remedy:
        'run this on the front-end; for a self-contained installation set ONE_LOCATION, for a mounted image give --root',
    },
  );
}

function inFile<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const known = toDriverError(error);
    throw new DriverError(known.code, `${path}: ${known.message}`, { remedy: known.remedy, cause: error });
  }
}

function binarySteps(layout: Layout, source: string): Step[] {
  const same = exists(layout, layout.binary) && sameFile(layout, source);
  return [
    ...(same ? [] : [{ do: 'binary', path: layout.binary, source } as const]),
    ...linkStep(layout, layout.command, layout.binary, []),
  ];
}

/** Once it is in place, which one it hands on to stands in it. */
function placerSteps(layout: Layout, before: string | undefined): Step[] {
  const path = `${layout.remotes}/scheduler/${driverName}/place`;
  const known = exists(layout, path) ? nextPlacerOf(readText(layout, path)) : undefined;
  const next = before !== undefined && before !== driverName ? before : (known ?? 'rank');
  return fileStep(layout, { path, content: placerScript(layout, next), mode: 0o755 });
}

function sameFile(layout: Layout, source: string): boolean {
  const [a, b] = [lstatSync(source), infoOf(layout, layout.binary)];
  if (a.ino === b?.ino && a.dev === b.dev) return true;
  return a.size === b?.size && sha256(readFileSync(source)) === sha256(readBytes(layout, layout.binary));
}

function fileStep(layout: Layout, file: { path: string; content: string; mode: number }): Step[] {
  const stat = infoOf(layout, file.path);
  const same =
    stat?.isFile() && (stat.mode & 0o777) === file.mode && readText(layout, file.path) === file.content;
  return same ? [] : [{ do: 'file', ...file }];
}

function linkStep(layout: Layout, path: string, target: string, moved: readonly string[]): Step[] {
  const away = moved.some((item) => path === item || path.startsWith(`${item}/`));
  const stat = away ? undefined : infoOf(layout, path);
  if (stat?.isSymbolicLink() && linkTarget(layout, path) === target) return [];
  if (stat && !stat.isSymbolicLink() && path === layout.command) return [];
  return [{ do: 'link', path, target }];
}

/** The configuration is the operator's: what is there stays; the bash driver's moves to where it is read. */
function configStep(
  layout: Layout,
  stray: string | undefined,
): { steps: Step[]; review: ConfigReview | undefined } {
  if (exists(layout, layout.config))
    return { steps: [], review: reviewConfig(readText(layout, layout.config), layout.config) };
  const content = stray ? readText(layout, stray) : defaultConfig;
  return {
    steps: [{ do: 'file', path: layout.config, content, mode: 0o640 }],
    review: stray ? reviewConfig(content, layout.config) : undefined,
  };
}

const revertOned = (text: string, edits: EditEntry['edits']): string =>
  revertInOnedConf(text, edits as OnedEdit[]);
const revertExecrc = (text: string, edits: EditEntry['edits']): string =>
  revertInExecrc(text, edits as ExecrcEdit[]);

/** Undo of our edits in one of the two files. */
export function revertFile(layout: Layout, path: string, text: string, edits: EditEntry['edits']): string {
  return inFile(path, () => (path === layout.onedConf ? revertOned : revertExecrc)(text, edits));
}

function execrcSteps(layout: Layout, vmMads: readonly string[], manifest: Manifest | undefined): Step[] {
  if (!exists(layout, layout.vmmExecrc)) {
    throw new DriverError('BAD_CONFIG', `there is no ${onDisk(layout, layout.vmmExecrc)}`, {
      remedy: `restore ${layout.vmmExecrc} from OpenNebula's package`,
    });
  }
  const before = readText(layout, layout.vmmExecrc);
  const { text, edits } = registerInExecrc(before, wantedPairs(vmMads));
  return editSteps(layout, layout.vmmExecrc, before, text, edits, manifest, revertExecrc);
}

function editSteps(
  layout: Layout,
  path: string,
  before: string,
  after: string,
  added: readonly (OnedEdit | ExecrcEdit)[],
  manifest: Manifest | undefined,
  revert: (text: string, edits: EditEntry['edits']) => string,
): Step[] {
  if (added.length === 0) return [];
  const earlier = manifest?.entries.find(
    (item): item is EditEntry => item.did === 'edit' && item.path === path,
  );
  const edits = added.map((item) => structuredClone(item)) as EditEntry['edits'];
  if (!earlier) return [{ do: 'edit', path, before, after, edits, base: before }];
  // An upgrade: the state to come back to is the file without the edits of all our installations.
  const untouched = sha256(before) === earlier.sha256;
  const base = untouched ? readText(layout, earlier.backup) : revert(before, earlier.edits);
  return [{ do: 'edit', path, before, after, edits: [...earlier.edits, ...edits], base }];
}

/** Puts the creation of missing directories before the steps that need them. */
function withDirectories(layout: Layout, steps: readonly Step[], moved: readonly string[]): Step[] {
  const made = new Set<string>();
  return steps.flatMap((step) => {
    if (step.do === 'set-aside' || step.do === 'edit' || step.do === 'directory') return [step];
    const missing: Step[] = [];
    for (let path = dirname(step.path); !made.has(path); path = dirname(path)) {
      if (exists(layout, path) && !moved.includes(path)) break;
      made.add(path);
      missing.unshift({ do: 'directory', path });
    }
    return [...missing, step];
  });
}
