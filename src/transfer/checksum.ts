import { readFileSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { runPipeline, type Stage } from '../hosts/pipeline.ts';
import { alienCode, alienDevice, type HostDevice, identityFunctions } from '../hosts/scripts/identity.ts';
import { localArgv } from '../hosts/ssh.ts';
import type { Bytes } from '../units.ts';
import deviceChecksumText from './shell/device-checksum.sh' with { type: 'text' };
import teeChecksumText from './shell/tee-checksum.sh' with { type: 'text' };
import { stages } from './target.ts';

export type Algorithm = 'md5' | 'sha1' | 'sha256';

/** Checksums that a user gave; hexadecimal, any case. */
export type Checksums = Partial<Readonly<Record<Algorithm, string>>>;

const digits: Readonly<Record<Algorithm, number>> = { md5: 32, sha1: 40, sha256: 64 };
const program: Readonly<Record<Algorithm, string>> = { md5: 'md5sum', sha1: 'sha1sum', sha256: 'sha256sum' };

/** The ones that were given. Throws BAD_ARGUMENT for what cannot be such a checksum: it could never match. */
export function givenChecksums(checksums: Checksums): [Algorithm, string][] {
  const list: [Algorithm, string][] = [];
  for (const algorithm of ['md5', 'sha1', 'sha256'] as const) {
    const value = checksums[algorithm]?.trim().toLowerCase();
    if (!value) continue;
    if (!new RegExp(`^[0-9a-f]{${digits[algorithm]}}$`).test(value)) {
      throw new DriverError(
        'BAD_ARGUMENT',
        `${JSON.stringify(value)} is no ${algorithm.toUpperCase()} checksum`,
        {
          remedy: 'give the checksum as hexadecimal digits, or none',
        },
      );
    }
    list.push([algorithm, value]);
  }
  return list;
}

/** Arguments: program, file for its result. Passes stdin on while it is summed up. */
const teeScript = `\n${teeChecksumText}`;

/** A stage that passes data on and leaves their checksum in a file. */
export function checksumStage(algorithm: Algorithm, resultFile: string): Stage {
  return {
    name: stages.checksum,
    argv: localArgv({ script: teeScript, args: [program[algorithm], resultFile] }),
  };
}

export function readChecksum(resultFile: string): string {
  return readFileSync(resultFile, 'utf8').split(/\s/, 1)[0] ?? '';
}

/** Throws IMAGE_CHECKSUM. */
export function compareChecksum(algorithm: Algorithm, expected: string, found: string): void {
  if (found === expected) return;
  throw new DriverError(
    'IMAGE_CHECKSUM',
    `the ${algorithm.toUpperCase()} checksum of the file is ${found}, not ${expected}`,
  );
}

/** stdin or descriptor 3 has the data; a leading backslash would tell of an escaped file name, so none is given. */
const fileScript = '"$1" </proc/self/fd/3';

/** Checks an open file against what was given. Throws IMAGE_CHECKSUM. */
export async function verifyFile(
  fd: number,
  checksums: Checksums,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  await Promise.all(
    givenChecksums(checksums).map(async ([algorithm, expected]) => {
      const argv = localArgv({ script: fileScript, args: [program[algorithm]] });
      const { stdout } = await runPipeline([{ name: stages.checksum, argv }], {
        ...options,
        descriptors: [fd],
      });
      compareChecksum(algorithm, expected, stdout.split(/\s/, 1)[0] ?? '');
    }),
  );
}

/** Arguments: program, device, what it is, bytes (empty: all). */
const deviceScript = `${identityFunctions}\n${deviceChecksumText}`;

/** Checksum of a device's content (`datastore/export` stores MD5), read on a host. */
export async function deviceChecksum(
  hosts: Hosts,
  host: string,
  { device, identity }: HostDevice,
  algorithm: Algorithm,
  length?: Bytes,
  timeoutMs = 6 * 3600 * 1000,
): Promise<string> {
  const { exitCode, stdout, stderr } = await hosts.run(host, {
    verb: 'checksum',
    script: deviceScript,
    args: [program[algorithm], device, identity, length === undefined ? '' : String(length)],
    timeoutMs,
    okCodes: [0, alienCode],
  });
  if (exitCode === alienCode) throw alienDevice(device, host, stderr);
  return stdout.split(/\s/, 1)[0] ?? '';
}
