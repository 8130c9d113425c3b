import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { actions, installedNames } from '../actions/registry.ts';
import { backupActions, downloader } from './one/backup-store.ts';

/**
 * What is executed for a driver's name: the compiled binary through a symlink, as in an installation, or this
 * program's source by bun.
 */
export type DriverTarget = { readonly binary: string } | { readonly bun: string; readonly main: string };

/** This program itself: in a compiled binary `process.execPath` is the binary, otherwise it is bun. */
export function ownTarget(): DriverTarget {
  const compiled = Bun.main.startsWith('/$bunfs/') || Bun.main.startsWith('B:/~BUN/');
  return compiled
    ? { binary: process.execPath }
    : { bun: process.execPath, main: join(import.meta.dir, '../main.ts') };
}

/** bun is known by its name, and installed by npm it is called `bun.exe`. */
export function underItsName(target: DriverTarget, directory: string): DriverTarget {
  if ('binary' in target || basename(target.bun) === 'bun') return target;
  const bun = join(directory, 'bun');
  rmSync(bun, { force: true });
  symlinkSync(target.bun, bun);
  return { ...target, bun };
}

/** argv that runs this program with `args`. */
export function targetArgv(target: DriverTarget, ...args: readonly string[]): string[] {
  return 'binary' in target ? [target.binary, ...args] : [target.bun, target.main, ...args];
}

/** Sets a word for sh: the paths are ours, but may hold anything a directory's name may hold. */
const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function writeScript(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

/** A launcher for source: hands on by which name it was called. */
function launcher(target: Extract<DriverTarget, { main: string }>, kind: string, name: string): string {
  return `#!/bin/sh\nLINSTOR_UN_CALLED_AS=$0 exec ${shellWord(target.bun)} ${shellWord(target.main)} ${kind} ${name} "$@"\n`;
}

/**
 * Stands for OpenNebula's own context script: makes the CD-ROM as an ordinary file in the VM's directory. The image is
 * no ISO; what reads it here is a test.
 */
const contextScript = `#!/bin/sh
# tm/common/context of a linstor_un lab: files... host:path vm datastore
set -e
while [ $# -gt 3 ]; do files="$files $1"; shift; done
host=\${1%%:*} path=\${1#*:}
printf 'CONTEXT of VM %s:%s\\n' "$2" "$files" |
  ssh -o BatchMode=yes "$host" "mkdir -p '\${path%/*}' && rm -f '$path' && cat >'$path'"
`;

/** `remotes/` as OpenNebula has it: one name per action, its version, and the stock script that a driver hands on to. */
export function makeRemotes(remotes: string, target: DriverTarget, version: string): void {
  for (const action of actions) {
    const directory = join(remotes, action.kind, action.kind === 'vmm' ? 'kvm' : 'linstor_un');
    mkdirSync(directory, { recursive: true });
    for (const name of installedNames(action)) {
      const path = join(directory, name);
      rmSync(path, { force: true });
      if ('binary' in target) symlinkSync(target.binary, path);
      else writeScript(path, launcher(target, action.kind, name));
    }
  }
  writeScript(join(remotes, 'tm/common/context'), contextScript);
  for (const [name, text] of Object.entries(backupActions))
    writeScript(join(remotes, 'datastore/rsync', name), text);
  writeScript(join(remotes, 'datastore/downloader.sh'), downloader);
  writeFileSync(join(remotes, 'VERSION'), `${version}\n`);
}

/** OpenNebula's commands, of which the lab's oned has its own. */
export const oneProgramNames = ['onedatastore', 'oneimage', 'onetemplate', 'onevm', 'onehost'] as const;

/** For a person in the lab's environment: this program itself, and OpenNebula's commands. */
export function makePersonsLaunchers(bin: string, target: DriverTarget): void {
  const lab = shellWord(dirname(bin));
  const script = (name: string, ...words: readonly string[]): void =>
    writeScript(
      join(bin, name),
      `#!/bin/sh\nexec env LINSTOR_UN_LAB=${lab} ${targetArgv(target, ...words)
        .map(shellWord)
        .join(' ')} "$@"\n`,
    );
  script('linstor_un');
  for (const name of [...oneProgramNames, 'drbdsetup']) script(name, 'lab', name);
}

/** `bin/linstor`: the client's face, found first in a driver's PATH. */
export function makeClientLauncher(bin: string, target: DriverTarget): void {
  const lab = shellWord(dirname(bin));
  const words = targetArgv(target, 'lab', 'linstor').map(shellWord).join(' ');
  writeScript(
    join(bin, 'linstor'),
    `#!/bin/sh\nLINSTOR_UN_LAB_CLIENT=1 LINSTOR_UN_LAB=${lab} exec ${words} "$@"\n`,
  );
}
