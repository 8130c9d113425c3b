import { fstatSync } from 'node:fs';
import { allDone } from '../all-done.ts';
import { DriverError, isDriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { PipelineError, runPipeline, type Stage } from '../hosts/pipeline.ts';
import { lastLines, localArgv } from '../hosts/ssh.ts';
import { type Bytes, bytes, humanSize } from '../units.ts';
import { contentLength } from './fetch.ts';
import { readHead } from './formats.ts';
import { type NbdSource, sendByNbd } from './nbd.ts';
import { probeFile, repack } from './probe.ts';
import { type FileSource, openRaw, type SourceRequest, staged } from './source.ts';
import { namelessFile, scratchPrefix } from './staging.ts';
import { ImageStream, type StreamInput } from './stream.ts';
import {
  defaultTimeoutMs,
  stages,
  type TransferOptions,
  type TransferResult,
  type TransferTarget,
  told,
  transferError,
} from './target.ts';
import {
  allocatedBytes,
  copyOnHost,
  pipelineOptions,
  rawFileMode,
  senderCommand,
  streamToDevice,
  wireEnd,
  writtenBytes,
} from './write.ts';

/** From a file or an address to a device: the device always holds the raw image. */

const heldFile = '/proc/self/fd/3';

function checkImageFits(label: string, size: Bytes, target: TransferTarget): void {
  if (size <= target.bytes) return;
  throw new DriverError(
    'IMAGE_SIZE',
    `${label} is ${humanSize(size)} (${size} bytes), the volume ${humanSize(target.bytes)} (${target.bytes} bytes)`,
  );
}

/** A packed image is at most a little larger than what it holds; more is a bomb. */
const stagingLimit = (target: TransferTarget): Bytes =>
  bytes(Math.ceil(target.bytes * 1.125) + 64 * 1024 * 1024);

async function fileOverSsh(
  hosts: Hosts,
  source: FileSource,
  target: TransferTarget,
  options: TransferOptions,
): Promise<Bytes> {
  const { format, virtualBytes: total } = source.info;
  const dataBytes = format === 'raw' ? allocatedBytes(source.fd) : source.fileBytes;
  const onNbd: NbdSource = { format, source: heldFile, total, dataBytes };
  const written = await sendByNbd(hosts, onNbd, target, options, [source.fd]);
  if (written !== undefined) return written;
  const end = await wireEnd(hosts, target, options);
  const spec = {
    mode: format === 'raw' ? rawFileMode(source.fd) : ('image' as const),
    source: heldFile,
    format,
    total,
    chunks: scratchPrefix(options.stagingDir),
  };
  const read: Stage = { name: stages.read, argv: localArgv(senderCommand(spec, options)) };
  const { stdout } = await runPipeline([read, ...end], {
    ...pipelineOptions(options, total),
    descriptors: [source.fd],
  });
  return writtenBytes(stdout, target);
}

/** Compressed clusters are looked at by no check: that they cannot be unpacked is found while they are copied. */
function unreadable(error: unknown, { label, info }: FileSource): unknown {
  if (info.format === 'raw' || !(error instanceof PipelineError)) return error;
  const said = lastLines(error.stderr, 20).find((line) => line.includes('error while reading'));
  if (said === undefined) return error;
  return new DriverError('IMAGE_FORMAT', `${label} cannot be read: ${said.replace(/^.*qemu-img: /, '')}`, {
    remedy: 'the file is damaged or was cut off; fetch it again',
    cause: error,
  });
}

/** Writes an image that has been fetched. Throws as `importImage` does. */
export async function importFile(
  hosts: Hosts,
  source: FileSource,
  target: TransferTarget,
  options: TransferOptions,
): Promise<Bytes> {
  const { format, virtualBytes, ambiguous } = source.info;
  checkImageFits(source.label, virtualBytes, target);
  if (format !== 'raw') await probeFile(source.fd, source.fileBytes, { thorough: true });
  if (!ambiguous) return copyFile(hosts, source, target, options);
  const file = namelessFile(options.stagingDir);
  try {
    const info = await repack(source.fd, source.info, {
      into: file.fd,
      timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const packed = { ...source, fd: file.fd, info, fileBytes: bytes(fstatSync(file.fd).size) };
    return await copyFile(hosts, packed, target, options);
  } finally {
    file.close();
  }
}

async function copyFile(
  hosts: Hosts,
  source: FileSource,
  target: TransferTarget,
  options: TransferOptions,
): Promise<Bytes> {
  const { format, virtualBytes } = source.info;
  const write = async (): Promise<Bytes> => {
    if (!hosts.isFrontend(target.host)) return fileOverSsh(hosts, source, target, options);
    const spec = { format, source: heldFile, total: virtualBytes };
    await copyOnHost(hosts, spec, target, options, [source.fd]);
    return virtualBytes;
  };
  // Both read the same held file; the volume of a wrong one is thrown away by the caller.
  try {
    const [written] = await allDone([write(), source.verify()]);
    source.requireUnchanged();
    return written;
  } catch (error) {
    // What failed because the file is another one now is told as that.
    if (!isDriverError(error, 'INTERRUPTED')) source.requireUnchanged();
    throw unreadable(error, source);
  }
}

async function importRawStream(
  hosts: Hosts,
  stream: ImageStream,
  target: TransferTarget,
  options: TransferOptions,
): Promise<Bytes> {
  if (hosts.isFrontend(target.host) && target.readsZero && !options.verify) {
    const written = await stream.consume(
      (input) => [streamToDevice(input, target)],
      pipelineOptions(options),
    );
    return writtenBytes(written.stdout, target);
  }
  const end = await wireEnd(hosts, target, options);
  const spec = {
    mode: 'stream' as const,
    source: '-',
    format: 'raw',
    total: target.bytes,
    chunks: scratchPrefix(options.stagingDir),
  };
  const read = (input: StreamInput): Stage => ({
    name: stages.read,
    argv: localArgv(senderCommand({ ...spec, input }, options)),
  });
  const { stdout } = await stream.consume((input) => [read(input), ...end], pipelineOptions(options));
  return writtenBytes(stdout, target);
}

async function importStream(
  hosts: Hosts,
  stream: ImageStream,
  request: SourceRequest,
  target: TransferTarget,
  options: TransferOptions,
): Promise<Bytes> {
  try {
    // What is all in the head may also be the beginning of a failed download: storing it finds out.
    if (!stream.isShort) {
      const head = readHead(stream.head, request.noDecompress ? 'as is' : 'refused');
      if (head.format === 'raw') {
        const declared = stream.packing === 'none' ? contentLength(stream.headers) : undefined;
        if (declared !== undefined) checkImageFits(stream.label, declared, target);
        return await importRawStream(hosts, stream, target, options);
      }
      if (head.virtualBytes !== undefined) checkImageFits(stream.label, head.virtualBytes, target);
    }
    const file = await staged(stream, stagingLimit(target), request, options);
    try {
      return await importFile(hosts, file, target, options);
    } finally {
      await file.close();
    }
  } finally {
    await stream.close();
  }
}

/**
 * Writes the image to the device and proves it: path policy, format, size, checksums, exit code of every program, fsync,
 * and with `verify` the content. Anything less throws; what the device holds then is undefined, and the caller
 * removes the volume. Nothing else remains anywhere.
 *
 * Throws IMAGE_PATH, IMAGE_FORMAT, IMAGE_HOSTILE, IMAGE_SIZE, IMAGE_CHECKSUM, IMAGE_FETCH, IMAGE_VERIFY, DEVICE_MISSING,
 * HOST_*, INTERRUPTED.
 */
export async function importImage(
  hosts: Hosts,
  request: SourceRequest,
  target: TransferTarget,
  options: TransferOptions = {},
): Promise<TransferResult> {
  return told(hosts, target.host, 'import', async () => {
    const started = performance.now();
    const source = await openRaw(request, options);
    try {
      const size =
        source instanceof ImageStream
          ? await importStream(hosts, source, request, target, options)
          : await importFile(hosts, source, target, options);
      const ms = Math.round(performance.now() - started);
      return { bytes: size, ms, verified: options.verify === true };
    } catch (error) {
      throw transferError(error, source.label, target);
    } finally {
      await source.close();
    }
  });
}
