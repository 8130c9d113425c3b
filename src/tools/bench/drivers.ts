import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { generationOf, type OneGeneration } from '../../lab/one/oned.ts';

/** What is measured: this driver over one of its transports, or a directory that `--driver` names. */
export interface Candidate {
  /** Unique in a run; rows are named by it. */
  readonly label: string;
  /** DS_MAD and TM_MAD. */
  readonly name: string;
  /** A failure of ours is a defect; that of another is a result. */
  readonly ours: boolean;
  /** What its datastores have besides, or instead of, the scenario's attributes. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly directory?: OneDirectory;
}

/** Of an OpenNebula that was installed from packages: its scripts know it, and there is no ONE_LOCATION. */
const packaged = '/var/lib/one/remotes';

/** Where another driver lies. */
export interface OneDirectory {
  readonly root: string;
  readonly remotes: string;
  /** `root` is a self-contained OpenNebula (ONE_LOCATION) and not only its remotes. */
  readonly selfContained: boolean;
}

/** What the others are compared with. */
export const reference = 'rest';

export const ourCandidates: readonly Candidate[] = ([reference, 'cli'] as const).map((transport) => ({
  label: transport,
  name: 'linstor_un',
  ours: true,
  attributes: { TRANSPORT: transport },
}));

/** TM drivers that OpenNebula brings along, 5.8 to 7.x. */
const stock = new Set(
  'ceph common dev dummy fs_lvm fs_lvm_ssh iscsi_libvirt lib local lvm netapp qcow2 shared ssh vcenter'.split(
    ' ',
  ),
);

/** `DIR` or `DIR:NAME`, each a candidate of its own; labels are kept apart by a number. */
export function otherCandidates(words: readonly string[]): Candidate[] {
  const labels = new Set(ourCandidates.map(({ label }) => label));
  return words.map((word) => {
    const { directory, name } = findDriver(word);
    const base = basename(directory.root) === 'remotes' ? name : basename(directory.root);
    let label = base;
    for (let count = 2; labels.has(label); count += 1) label = `${base}-${count}`;
    labels.add(label);
    return { label, name, ours: false, attributes: readAttributes(directory.root), directory };
  });
}

function findDriver(word: string): { directory: OneDirectory; name: string } {
  const [, path = word, asked] =
    existsSync(word) || !word.includes(':') ? [] : (/^(.*):([^:/]+)$/.exec(word) ?? []);
  const root = resolve(path);
  const selfContained = existsSync(join(root, 'var/remotes'));
  const remotes = selfContained ? join(root, 'var/remotes') : root;
  const tm = join(remotes, 'tm');
  const all = existsSync(tm) ? readdirSync(tm).filter((name) => existsSync(join(tm, name, 'clone'))) : [];
  const candidates = asked === undefined ? all.filter((name) => !stock.has(name)) : [asked];
  const [name] = candidates;
  if (name === undefined || !all.includes(name)) throw new Error(`${path} has no tm/${asked ?? '*'}/clone`);
  if (candidates.length > 1)
    throw new Error(
      `${path} has several drivers (${candidates.join(', ')}): name one, as in ${path}:${name}`,
    );
  return { directory: { root, remotes, selfContained }, name };
}

/**
 * `DIR/datastore.conf`: attributes of its datastores as `onedatastore create` reads them, NAME="VALUE" a line. `$RESOURCE_GROUP` and
 * other attributes of the scenario may stand in a value.
 */
function readAttributes(root: string): Record<string, string> {
  const path = join(root, 'datastore.conf');
  if (!existsSync(path)) return {};
  const lines = readFileSync(path, 'utf8').split('\n');
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, name, value = ''] = /^\s*([A-Z_]+)\s*=\s*"?(.*?)"?\s*$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value]];
    }),
  );
}

/** The scenario's attributes with the candidate's over them. */
export function attributesOf(
  candidate: Candidate,
  common: Readonly<Record<string, string>>,
): Record<string, string> {
  const own = Object.entries(candidate.attributes).map(([name, value]) => [
    name,
    value.replaceAll(/\$([A-Z_]+)/g, (whole, other: string) => common[other] ?? whole),
  ]);
  return { ...common, ...Object.fromEntries(own) };
}

/** How oned calls a driver: its scripts, what they find in their environment, and the call shape of the release they belong to. */
export interface Calling {
  readonly remotes: string;
  readonly env: Readonly<Record<string, string>>;
  readonly generation?: OneGeneration;
}

/**
 * Another driver from its own directory. `env` is oned's; scripts find each other by ONE_LOCATION, which is made below `scratch` where
 * there are only remotes. What OpenNebula brings along may be missing there: `context` then stands in for tm/common/context.
 */
export function callingOf(
  { directory, label }: Candidate,
  { env, scratch, context }: { env: Readonly<Record<string, string>>; scratch: string; context?: string },
): Calling | undefined {
  if (directory === undefined) return undefined;
  const { ONE_LOCATION: _ours, ...others } = env;
  if (directory.remotes === packaged) return { remotes: packaged, ...shapeOf(packaged), env: others };
  const location = directory.selfContained ? directory.root : join(scratch, label);
  const remotes = join(location, 'var/remotes');
  if (!directory.selfContained && !existsSync(remotes)) lay(directory.remotes, remotes, context);
  const path = `${join(location, 'bin')}:${env['PATH']}`;
  return { remotes, ...shapeOf(remotes), env: { ...others, ONE_LOCATION: location, PATH: path } };
}

function shapeOf(remotes: string): { generation?: OneGeneration } {
  const version = join(remotes, 'VERSION');
  return existsSync(version) ? { generation: generationOf(readFileSync(version, 'utf8')) } : {};
}

function lay(from: string, to: string, context: string | undefined): void {
  if (context !== undefined) {
    mkdirSync(join(to, 'tm/common'), { recursive: true });
    cpSync(context, join(to, 'tm/common/context'));
  }
  cpSync(from, to, { recursive: true, force: true });
}
