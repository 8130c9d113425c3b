import type { Source } from './sources.ts';

export interface Place {
  /** As in names of rows. */
  readonly name: string;
  /** Name for ssh; this machine's own name for no ssh. */
  readonly host: string;
  readonly remote: boolean;
}

export interface Target {
  readonly device: string;
  readonly stagingDir: string;
}

export interface Method {
  readonly name: string;
  /** Undefined where the method has no such case. */
  command(source: Source, place: Place, target: Target): readonly string[] | undefined;
}

const bash = (script: string, ...args: readonly string[]): readonly string[] => [
  'bash',
  '-c',
  script,
  'bench',
  ...args,
];

/** This driver's own engine, in a process of its own. */
export const ours: Method = {
  name: 'linstor_un',
  command: (source, place, { device, stagingDir }) => [
    process.execPath,
    Bun.fileURLToPath(new URL('ours.ts', import.meta.url)),
    JSON.stringify({ path: source.path, host: place.host, device, bytes: source.bytes, stagingDir }),
  ],
};

/**
 * The bash driver's way: OpenNebula's downloader to stdout, and `ssh dd bs=64k conv=sparse`; what is not raw is staged so on the
 * bridge host and converted there. Without ssh where source and target are on one machine, which the original
 * does not spare itself.
 */
export const bashDriver: Method = {
  name: 'bash driver’s way',
  command: (source, place, { device, stagingDir }) => {
    const [on, ...words] = place.remote ? ['ssh', place.host] : ['bash', '-c'];
    const read = source.kind === 'gzip' ? 'gzip -dc' : 'cat';
    const staged = `${stagingDir}/staged`;
    if (source.kind !== 'image') return bash(bashRaw, read, source.path, writer(device), on, ...words);
    return bash(bashImage, read, source.path, writer(staged), converter(staged, device), on, ...words);
  },
};

const bashRaw = 'set -e -o pipefail; read=$1 path=$2 write=$3; shift 3; $read "$path" | "$@" "$write"';
const bashImage =
  'set -e -o pipefail; read=$1 path=$2 write=$3 convert=$4; shift 4; $read "$path" | "$@" "$write"; "$@" "$convert"';

/** Paths are of this benchmark's own making and hold nothing that a shell could mistake. */
const writer = (path: string): string =>
  ['dd', `of=${path}`, 'bs=64k', 'conv=sparse,notrunc', 'status=none'].join(' ');
const converter = (from: string, to: string): string =>
  ['qemu-img', 'convert', '-n', '-O', 'raw', from, to, '&&', 'rm', from].join(' ');

/** What one qemu-img does that knows the format and that the target is empty; for gz there is no such thing. */
export const floor: Method = {
  name: 'qemu-img alone',
  command: (source, place, { device }) => {
    if (place.remote || source.kind === 'gzip') return undefined;
    const format = source.kind === 'raw' ? 'raw' : 'qcow2';
    return [
      'qemu-img',
      'convert',
      '-n',
      '--target-is-zero',
      '-W',
      '-m',
      '8',
      '-f',
      format,
      '-O',
      'raw',
      source.path,
      device,
    ];
  },
};
