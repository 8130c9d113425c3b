import { fstatSync, readSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { type PipelineOptions, runPipeline, type Stage } from '../hosts/pipeline.ts';
import type { DeviceIdentity } from '../hosts/scripts/identity.ts';
import { localArgv } from '../hosts/ssh.ts';
import { type Bytes, bytes } from '../units.ts';
import { bandwidth } from './bandwidth.ts';
import { localCopy, partNames } from './local-copy.ts';
import { progressReader } from './progress.ts';
import type { StreamInput } from './stream.ts';
import { streamWriter } from './stream-writer.ts';
import { defaultTimeoutMs, notAVolume, stages, type TransferOptions, type TransferTarget } from './target.ts';
import { wireCodes } from './wire.ts';
import { receiver } from './wire-receiver.ts';
import { sender } from './wire-sender.ts';

/** The two ways onto a device: one qemu-img on the spot, or the wire (wire.ts). */

export type SenderMode = 'stream' | 'extents' | 'windows' | 'image';

export interface SenderSpec {
  readonly mode: SenderMode;
  /** Path as the sending machine sees it; `-` for a stream. */
  readonly source: string;
  /** Absent: no volume. */
  readonly identity?: DeviceIdentity;
  /** Only for a stream. */
  readonly input?: StreamInput;
  readonly format: string;
  /** The image's length; the most that is taken of a stream. */
  readonly total: Bytes;
  /** What the names of its scratch files begin with, directory and all; they have a name for a moment only. */
  readonly chunks: string;
}

export function senderCommand(
  spec: SenderSpec,
  { verify, limitTransferBw }: TransferOptions,
): { script: string; args: string[] } {
  const { mode, source, identity = notAVolume, format, total, chunks, input = [] } = spec;
  const limit = String(bandwidth(limitTransferBw) ?? 0);
  const args = [mode, source, identity, format, chunks, String(total), verify ? '1' : '0', limit, ...input];
  return { script: sender, args };
}

/** Options of `runPipeline` that every transfer shares. */
export function pipelineOptions(
  options: TransferOptions,
  expected?: Bytes,
): Omit<PipelineOptions, 'descriptors' | 'holdStdin'> {
  const {
    onProgress,
    clock = { now: () => Date.now() },
    signal,
    env,
    timeoutMs = defaultTimeoutMs,
  } = options;
  return {
    timeoutMs,
    ...(signal ? { signal } : {}),
    ...(env ? { env } : {}),
    ...(onProgress ? { onStderr: progressReader(onProgress, clock, expected) } : {}),
  };
}

/** Programs that pack fast, best first; both ends must have it. */
const packers = ['zstd', 'gzip'] as const;
const whichPacker =
  'for name in "$@"; do if command -v "$name" >/dev/null; then echo "$name"; exit 0; fi; done; echo -';

async function choosePacker(hosts: Hosts, host: string, options: TransferOptions): Promise<string> {
  if (!options.compress || hosts.isFrontend(host)) return '-';
  const ours = packers.filter((name) => Bun.which(name) !== null);
  const command = { verb: 'which', script: whichPacker, args: ours, timeoutMs: 30_000 };
  return (await hosts.run(host, command)).stdout.trim();
}

/** `[pack |] ssh receiver`: from the sender's stream to the device. */
export async function wireEnd(
  hosts: Hosts,
  target: TransferTarget,
  options: TransferOptions,
): Promise<readonly Stage[]> {
  const packer = await choosePacker(hosts, target.host, options);
  const args = [
    target.device,
    target.identity,
    target.readsZero ? '1' : '0',
    options.verify ? '1' : '0',
    packer,
  ];
  const write: Stage = {
    name: stages.write,
    argv: hosts.sshArgv(target.host, { script: receiver, args }),
    secondaryCodes: [wireCodes.brokenStream],
  };
  return packer === '-' ? [write] : [{ name: stages.pack, argv: [packer, '-1', '-c'] }, write];
}

/** What the receiver says last. Throws HOST_COMMAND when it did not say it. */
export function writtenBytes(stdout: string, target: TransferTarget): Bytes {
  const total = stdout.trim();
  if (/^\d+$/.test(total)) return bytes(Number(total));
  throw new DriverError('HOST_COMMAND', `${target.host} did not say that ${target.device} is written`);
}

export interface LocalCopySpec {
  readonly format: string;
  readonly source: string;
  /** Absent: no volume. */
  readonly identity?: DeviceIdentity;
  readonly total: Bytes;
  /** The source may be longer: only its beginning is wanted. */
  readonly isPart?: boolean;
}

/** qemu-img on the host of the target (this machine or another), where the source is a path too. */
export async function copyOnHost(
  hosts: Hosts,
  spec: LocalCopySpec,
  target: TransferTarget,
  options: TransferOptions,
  descriptors?: readonly number[],
): Promise<void> {
  const { format, source, identity = notAVolume, total, isPart = false } = spec;
  const parts = isPart ? partNames(source, total) : ['', ''];
  const flags = [target.readsZero ? '1' : '0', options.verify ? '1' : '0'];
  const args = [format, source, identity, ...parts, target.device, target.identity, String(total), ...flags];
  const command = { script: localCopy, args };
  const argv = hosts.isFrontend(target.host) ? localArgv(command) : hosts.sshArgv(target.host, command);
  await runPipeline([{ name: stages.copy, argv }], {
    ...pipelineOptions(options, total),
    holdStdin: true,
    ...(descriptors ? { descriptors } : {}),
  });
}

/** A stream onto a device of this machine that reads as zero: nothing has to be known of it beforehand. */
export function streamToDevice(input: StreamInput, target: TransferTarget): Stage {
  const args = [target.device, target.identity, ...input];
  return { name: stages.write, argv: localArgv({ script: streamWriter, args }) };
}

/** What a file takes on its file system, holes left out. */
export const allocatedBytes = (fd: number): Bytes => bytes(fstatSync(fd).blocks * 512);

/** How a raw file is best read: where its holes are known, in place; else by looking for zeroes. */
export function rawFileMode(fd: number): 'extents' | 'windows' {
  const { size, blocks } = fstatSync(fd);
  if (blocks * 512 < size * 0.95) return 'extents';
  const sample = Buffer.alloc(64 * 1024);
  const samples = 64;
  let zero = 0;
  for (let index = 0; index < samples; index += 1) {
    const at = Math.floor((size / samples) * index);
    const count = readSync(fd, sample, 0, sample.length, at);
    if (sample.subarray(0, count).every((byte) => byte === 0)) zero += 1;
  }
  // Looking for zeroes costs a second copy in memory; with few of them it does not pay.
  return zero >= samples / 10 ? 'windows' : 'extents';
}
