import { DriverError, isDriverError } from '../errors.ts';
import type { Stage } from '../hosts/pipeline.ts';
import { localArgv } from '../hosts/ssh.ts';
import { type Bytes, bytes, bytesToMib, humanSize, type MiB, mib } from '../units.ts';
import { contentLength } from './fetch.ts';
import { readHead } from './formats.ts';
import { openRaw, type SourceRequest, staged } from './source.ts';
import { ImageStream, type StreamInput, TooLong } from './stream.ts';
import { countScript } from './stream-scripts.ts';
import { stages, type TransferOptions, transferError } from './target.ts';

/** `datastore/stat`: how large a volume the image needs (contract §2.5). */

type Options = Pick<TransferOptions, 'stagingDir' | 'signal' | 'timeoutMs' | 'env'>;

/**
 * oned waits for the answer in an API call; its own clients give up after some minutes. A stream that has no length
 * of its own (compressed raw, or no Content-Length) is counted that long.
 */
const countDeadlineMs = 10 * 60_000;

async function count(stream: ImageStream): Promise<Bytes> {
  const stage = (input: StreamInput): Stage => ({
    name: stages.store,
    argv: localArgv({ script: countScript, args: input }),
  });
  try {
    const { stdout } = await stream.consume((input) => [stage(input)], { timeoutMs: countDeadlineMs });
    return bytes(Number(stdout.trim()));
  } catch (error) {
    if (!isDriverError(error, 'HOST_TIMEOUT')) throw error;
    const minutes = countDeadlineMs / 60_000;
    throw new DriverError('IMAGE_SIZE', `${stream.label} could not be measured within ${minutes} minutes`, {
      remedy: 'unpack the image first, or convert it to qcow2, which says how large it is',
    });
  }
}

/** A header that is not in the first bytes (VHDX may do that): the whole image is needed. A small upload must not fill the disk. */
const largestStaged = bytes(256 * 1024 * 1024);

async function sizeOfStream(stream: ImageStream, request: SourceRequest, options: Options): Promise<Bytes> {
  if (stream.isShort) return storedSize(stream, request, options);
  const head = readHead(stream.head, request.noDecompress ? 'as is' : 'refused');
  if (head.virtualBytes !== undefined) return head.virtualBytes;
  if (head.format !== 'raw') return storedSize(stream, request, options);
  const declared = stream.packing === 'none' ? contentLength(stream.headers) : undefined;
  return declared ?? count(stream);
}

async function storedSize(stream: ImageStream, request: SourceRequest, options: Options): Promise<Bytes> {
  try {
    const file = await staged(stream, largestStaged, request, options);
    await file.close();
    return file.info.virtualBytes;
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    throw new DriverError('IMAGE_SIZE', `${stream.label} does not say near its beginning how large it is`, {
      remedy: `unpack it, or convert it to qcow2; up to ${humanSize(largestStaged)} are looked through`,
      cause: error,
    });
  }
}

/**
 * The image's virtual size, never its file's, in MiB rounded up and at least 1. Checksums are not looked at: `cp` does. The
 * path policy holds here as well: a size tells that a file exists.
 *
 * A compressed raw image has to be unpacked to be measured: what its header claims may be a lie, or modulo
 * 4 GiB (gzip).
 */
export async function virtualSize(request: SourceRequest, options: Options = {}): Promise<MiB> {
  const { checksums: _, ...plain } = request;
  const limited: Options = { timeoutMs: countDeadlineMs, ...options };
  const source = await openRaw(plain, limited);
  try {
    const size =
      source instanceof ImageStream ? await sizeOfStream(source, plain, limited) : source.info.virtualBytes;
    if (size === 0) throw new DriverError('IMAGE_SIZE', `${source.label} is empty`);
    return mib(Math.max(1, bytesToMib(size)));
  } catch (error) {
    throw transferError(error, source.label, { host: '', device: '' });
  } finally {
    await source.close();
  }
}
