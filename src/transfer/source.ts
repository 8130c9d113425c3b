import { closeSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../errors.ts';
import { PipelineError, type Stage } from '../hosts/pipeline.ts';
import { localArgv } from '../hosts/ssh.ts';
import type { Bytes } from '../units.ts';
import { type AddressPolicy, isRemote, parseAddress, shownPath } from './address.ts';
import { type Checksums, givenChecksums, verifyFile } from './checksum.ts';
import { permittedAddresses } from './destination.ts';
import { addressEnv, curlStage, downloaderStage, redirection } from './fetch.ts';
import { packingOf, readHead } from './formats.ts';
import { type HeldFile, openImageFile, type PathPolicy, stampOf } from './path-policy.ts';
import { type ImageInfo, probeFile, readFileHead } from './probe.ts';
import { namelessFile, privateDirectory } from './staging.ts';
import { type ImageStream, openStream, storeStream } from './stream.ts';
import { defaultTimeoutMs, stages, type TransferOptions, transferError } from './target.ts';

/** Where an image comes from: IMAGE/PATH and the attributes that belong to it. */
export interface SourceRequest {
  /** Absolute path, `http(s)://…`, or a scheme of OpenNebula's downloader that was switched on. */
  readonly path: string;
  readonly policy: PathPolicy;
  readonly addresses: AddressPolicy;
  /**
   * Of the file as it is published – compressed as it is –, which is what OpenNebula's downloader sums up
   * and what a publisher's list says.
   */
  readonly checksums?: Checksums;
  readonly noDecompress?: boolean;
  /** As for curl: bytes a second, with K, M, G. */
  readonly limitTransferBw?: string;
  /** `<remotes>/datastore/downloader.sh`; for schemes other than http and https. */
  readonly downloader?: string;
  /** For the downloader: DRV_ACTION with the base64 driver message (s3, restic, …). */
  readonly downloaderEnv?: Readonly<Record<string, string>>;
}

type Options = Pick<TransferOptions, 'stagingDir' | 'signal' | 'timeoutMs' | 'env'>;

/** An image in a file that is held open: everything about it is known. The other kind of source is an ImageStream. */
export interface FileSource {
  readonly label: string;
  readonly fd: number;
  readonly info: ImageInfo;
  readonly fileBytes: Bytes;
  /** Checks what was given against the file; already done for what was a stream. */
  verify(): Promise<void>;
  /** To be asked when all has been read. Throws IMAGE_FETCH when the file was changed meanwhile. */
  requireUnchanged(): void;
  close(): Promise<void>;
}

const changed = 'it was changed while it was read';

/** Argument: the file's stamp. What shrinks while it is read ends early without any error. */
const catScript = `
cat </proc/self/fd/3 || exit
[ "$(stat -Lc '%s %.9Y' /proc/self/fd/3)" = "$1" ] || { echo '${changed}' >&2; exit 1; }
`;

async function streamOf(
  request: SourceRequest,
  fetch: (directory: string) => Stage,
  options: Options,
  more: { readonly descriptors?: readonly number[]; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ImageStream> {
  const directory = privateDirectory(options.stagingDir);
  const label = shownPath(request.path);
  try {
    return await openStream(
      {
        label,
        fetch: fetch(directory),
        env: { ...options.env, ...more.env },
        headersFile: join(directory, 'headers'),
        timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
        ...(request.checksums ? { checksums: request.checksums } : {}),
        ...(request.noDecompress ? { noDecompress: true } : {}),
        ...(options.stagingDir ? { stagingDir: options.stagingDir } : {}),
        ...(options.signal ? { signal: options.signal } : {}),
        ...(more.descriptors ? { descriptors: more.descriptors } : {}),
      },
      directory,
    );
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw redirection(error) === undefined ? transferError(error, label, { host: '', device: '' }) : error;
  }
}

const mostRedirects = 10;
const mostOfVariable = 120_000;

/** Each step of a redirection is judged like the address itself, and only then taken. */
async function openHttp(request: SourceRequest, first: URL, options: Options): Promise<ImageStream> {
  let url = first;
  for (let step = 0; step <= mostRedirects; step += 1) {
    const addresses = await permittedAddresses(url, request.addresses);
    const target = { url, addresses };
    const curl = (directory: string): Stage => curlStage(request, target, join(directory, 'headers'));
    try {
      const stream = await streamOf(request, curl, options, { env: addressEnv(target) });
      // The answer of a redirection is empty: it may look like a very short image until its end.
      const location = stream.isShort ? await stream.outcome().then(() => undefined, redirection) : undefined;
      if (location === undefined) return stream;
      await stream.close();
      url = redirected(url, location, request);
    } catch (error) {
      const location = redirection(error);
      if (location === undefined) throw transferError(error, shownPath(url.href), { host: '', device: '' });
      url = redirected(url, location, request);
    }
  }
  throw new DriverError(
    'IMAGE_FETCH',
    `${shownPath(request.path)} redirects more than ${mostRedirects} times`,
  );
}

/** Throws IMAGE_SOURCE for other schemes than http(s). */
function redirected(from: URL, location: string, { addresses }: SourceRequest): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from.href).href : location;
  const address = parseAddress(to, { ...addresses, schemes: [] });
  if (address.kind === 'http') return address.url;
  throw new DriverError('IMAGE_SOURCE', `${shownPath(from.href)} redirects to ${shownPath(to)}`);
}

async function openRemote(request: SourceRequest, options: Options): Promise<ImageStream> {
  const address = parseAddress(request.path, request.addresses);
  if (address.kind === 'http') return openHttp(request, address.url, options);
  // Only for the downloader: one variable of more than 128 KiB stops every program from being started.
  const { downloaderEnv: env } = request;
  if (Object.values(env ?? {}).some((value) => value.length > mostOfVariable)) {
    throw new DriverError('IMAGE_FETCH', 'the image’s document is too long for OpenNebula’s downloader.sh', {
      remedy: 'use http or https, or shorten the image’s template',
    });
  }
  return streamOf(request, () => downloaderStage(request, address.text), options, env ? { env } : {});
}

/** May somebody else change the file while it is read? Then a header could change after it was checked. */
function isForeign(file: HeldFile): boolean {
  const own = process.getuid?.() ?? 0;
  return (file.uid !== 0 && file.uid !== own) || (file.mode & 0o022) !== 0;
}

async function openLocal(request: SourceRequest, options: Options): Promise<FileSource | ImageStream> {
  const file = openImageFile(request.path, request.policy);
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  const packed = request.noDecompress ? 'as is' : 'refused';
  let handedOver = false;
  try {
    const head = readFileHead(file.fd, 4096);
    const packing = request.noDecompress ? 'none' : packingOf(head);
    const cat: Stage = {
      name: stages.fetch,
      argv: localArgv({ script: catScript, args: [file.stamp] }),
    };
    if (packing !== 'none') return await streamOf(request, () => cat, options, { descriptors: [file.fd] });
    // Only our own reading of the header so far: no other program opens a file that may change under it.
    if (isForeign(file) && readHead(readFileHead(file.fd), packed).format !== 'raw') {
      return await streamOf({ ...request, noDecompress: true }, () => cat, options, {
        descriptors: [file.fd],
      });
    }
    const info = await probeFile(file.fd, file.bytes, { thorough: false, packed });
    handedOver = true;
    return {
      label: shownPath(request.path),
      fd: file.fd,
      info,
      fileBytes: file.bytes,
      verify: () =>
        verifyFile(file.fd, request.checksums ?? {}, {
          timeoutMs,
          ...(options.signal ? { signal: options.signal } : {}),
        }),
      requireUnchanged: () => {
        if (stampOf(file.fd) === file.stamp) return;
        throw new DriverError('IMAGE_FETCH', `${shownPath(request.path)} could not be read: ${changed}`, {
          remedy: 'wait until the file is complete, then retry',
        });
      },
      close: async () => file.close(),
    };
  } finally {
    // A pipeline has its own copy of the descriptor by now.
    if (!handedOver) closeSync(file.fd);
  }
}

/** Opens a local file or starts a download; nothing of a stream is written anywhere yet. */
export async function openRaw(
  request: SourceRequest,
  options: Options = {},
): Promise<FileSource | ImageStream> {
  givenChecksums(request.checksums ?? {});
  return isRemote(request.path) ? openRemote(request, options) : openLocal(request, options);
}

/**
 * Puts a stream that is not raw into a nameless file: headers point back and forth, so such an image cannot be read
 * in passing. The file holds the image as it was published (unpacked), not its virtual size.
 */
export async function staged(
  stream: ImageStream,
  limit: Bytes,
  request: SourceRequest,
  options: Options,
): Promise<FileSource> {
  const { label } = stream;
  const file = namelessFile(options.stagingDir);
  try {
    const fileBytes = await storeStream(stream, file.fd, limit, {
      timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    });
    const info = await probeFile(file.fd, fileBytes, {
      thorough: false,
      packed: request.noDecompress ? 'as is' : 'refused',
    });
    return {
      label,
      fd: file.fd,
      info,
      fileBytes,
      verify: async () => undefined,
      requireUnchanged: () => undefined,
      close: async () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error instanceof PipelineError ? transferError(error, label, { host: '', device: '' }) : error;
  } finally {
    await stream.close();
  }
}
