import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LabOne, labOne } from '../../../src/lab/one/lab-one.ts';
import { emptyState } from '../../../src/lab/one/model.ts';
import type { OneGeneration } from '../../../src/lab/one/oned.ts';
import { MemoryStore } from '../../../src/lab/one/store.ts';

/** A driver that only writes down how it was called: directory, name, arguments, stdin. */
const script = `#!/bin/sh
root=\${0%/*}/../..
kind=\${0%/*/*}; kind=\${kind##*/}
name=\${0##*/}
{ printf '%s/%s\\0' "$kind" "$name"; printf '%s\\0' "$#" "$@"; cat; printf '\\0'; } >>"$root/calls"
if [ -e "$root/fail" ] && read -r failing <"$root/fail" && [ "$failing" = "$kind/$name" ]; then
  rm "$root/fail"; echo 'INFO: x: noise' >&2; echo 'told to fail' >&2; exit 3
fi
case $kind/$name in
  datastore/stat) echo 100 ;;
  datastore/cp) echo "source-$1 raw" ;;
  datastore/clone) echo "source-$1" ;;
  datastore/mkfs) echo "source-$1" ;;
  */monitor) printf 'USED_MB=24\\nTOTAL_MB=1024\\nFREE_MB=1000\\n' ;;
esac
`;

const actions = {
  datastore: ['stat', 'cp', 'mkfs', 'clone', 'rm', 'monitor', 'snap_delete', 'snap_revert', 'snap_flatten'],
  tm: [
    ...[
      'clone',
      'ln',
      'mkimage',
      'mkswap',
      'context',
      'mv',
      'mvds',
      'delete',
      'cpds',
      'resize',
      'monitor',
      'restore',
    ],
    ...[
      'snap_create',
      'snap_create_live',
      'snap_delete',
      'snap_revert',
      'premigrate',
      'postmigrate',
      'failmigrate',
    ],
    ...['prebackup', 'prebackup_live', 'postbackup', 'postbackup_live'],
  ],
} as const;

export interface Traced {
  /** `tm/clone` */
  readonly name: string;
  readonly argv: readonly string[];
  readonly stdin: string;
}

export interface FakeOned {
  readonly dir: string;
  readonly one: LabOne;
  /** Calls since the last time, as the driver saw them. */
  traced(): Traced[];
  /** `tm/clone a b`, one a line; monitor calls left out. */
  lines(): string[];
  /** The next call of this action fails. */
  failNext(name: string): void;
  remove(): void;
}

export function fakeOned(generation: OneGeneration = '7.2'): FakeOned {
  const dir = mkdtempSync(join(tmpdir(), 'lab-one-'));
  const remotes = join(dir, 'remotes');
  for (const [kind, names] of Object.entries(actions)) {
    const directory = join(remotes, kind, 'linstor_un');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, '.driver'), script);
    chmodSync(join(directory, '.driver'), 0o755);
    for (const name of names) symlinkSync('.driver', join(directory, name));
  }
  const calls = join(remotes, 'calls');
  const one = labOne({
    store: new MemoryStore(emptyState('oneadmin:secret')),
    remotes,
    cwd: dir,
    env: { PATH: process.env['PATH'] ?? '' },
    location: '/var/lib/one/datastores',
    frontend: 'one-fe',
    generation,
  });
  const traced = (): Traced[] => {
    const words = existsSync(calls) ? readFileSync(calls, 'utf8').split('\0') : [];
    rmSync(calls, { force: true });
    const result: Traced[] = [];
    for (let at = 0; at + 2 < words.length; ) {
      const count = Number(words[at + 1]);
      result.push({
        name: words[at] ?? '',
        argv: words.slice(at + 2, at + 2 + count),
        stdin: words[at + 2 + count] ?? '',
      });
      at += count + 3;
    }
    return result;
  };
  return {
    dir,
    one,
    traced,
    lines: () =>
      traced()
        .filter(({ name }) => !name.endsWith('/monitor'))
        .map(({ name, argv }) =>
          [name, ...argv].join(' ').replaceAll('/var/lib/one//datastores', '$DS').replaceAll(dir, '$VAR'),
        ),
    failNext: (name) => writeFileSync(join(remotes, 'fail'), `${name}\n`),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
