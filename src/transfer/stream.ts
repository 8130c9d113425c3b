import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DriverError, isDriverError } from '../errors.ts';
import {
  PipelineError,
  type PipelineOptions,
  type PipelineResult,
  runPipeline,
  type Stage,
} from '../hosts/pipeline.ts';
import { localArgv } from '../hosts/ssh.ts';
import { type Bytes, bytes } from '../units.ts';
import { type Checksums, checksumStage, compareChecksum, givenChecksums, readChecksum } from './checksum.ts';
import { headBytes, type Packing } from './formats.ts';
import { stages } from './target.ts';

/**
 * A source that can be read once, from front to end: a download, or a compressed file. It is fetched exactly once: a first
 * pipeline fetches, sums up and unpacks, and stops when the beginning is known; what becomes of it is decided
 * by that, and a second pipeline takes the rest from a FIFO.
 */

/** Argument: 1 for "as it is". Unpacks by the first bytes and leaves in a file how it was packed. */
const unpackScript = `
as_is=$1 report=$2
magic=$(dd bs=1 count=6 status=none | od -An -tx1 | tr -d ' \\n')
again() { printf "$(sed 's/../\\\\x&/g' <<<"$magic")"; exec cat; }
packing=none
if [ "$as_is" != 1 ]; then
  case $magic in
    1f8b*) packing=gzip ;;
    425a68*) packing=bzip2 ;;
    fd377a585a00) packing=xz ;;
    28b52ffd*) packing=zstd ;;
  esac
fi
echo "$packing" >"$report"
case $packing in
  none) again ;;
  # 2: only a warning (padding behind the end, as tapes have it).
  gzip) again | gzip -dc; codes="\${PIPESTATUS[*]}"; case $codes in '0 0' | '0 2') exit 0 ;; *' 141') exit 141 ;; *) exit 1 ;; esac ;;
  bzip2) again | bzip2 -dc ;;
  # Memory limits: a header may ask for gigabytes of window.
  xz) again | xz -dc --memlimit-decompress=1GiB ;;
  zstd) again | zstd -dcq --memory=1024MiB ;;
esac
`;

/** Arguments: file for the head, its length, FIFO, what to print when the head is complete. */
const relayScript = `
dd of="$1" bs=64K count="$2" iflag=fullblock,count_bytes status=none || exit 1
printf '%s\\n' "$4" >&2
exec cat -- "$1" - >"$3"
`;

export interface StreamRequest {
  /** For messages. */
  readonly label: string;
  /** Gives the published bytes on stdout. */
  readonly fetch: Stage;
  readonly checksums?: Checksums;
  readonly noDecompress?: boolean;
  readonly descriptors?: readonly number[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly stagingDir?: string;
  /** A file where the fetching program leaves HTTP headers; its directory is the stream's own. */
  readonly headersFile?: string;
}

/** How long the sink may take to report why it stopped reading. */
const lostPipeGraceMs = 60_000;

/** The source was fine; its reader went away. */
function isLostPipe(error: unknown): boolean {
  return error instanceof PipelineError && (error.exitCode === 141 || error.stage === stages.relay);
}

const abortable = (signal: AbortSignal | undefined, own: AbortController): AbortSignal =>
  signal ? AbortSignal.any([signal, own.signal]) : own.signal;

/** Ours begin like this; the process that made it follows. */
const namePrefix = '.linstor_un-';
const staleMs = 3600 * 1000;

/**
 * Removes what processes left that were ended by kill -9: a FIFO, the head of an image, results. Large files never have a
 * name. Only what is old and whose process is gone.
 */
function sweep(stagingDir: string): void {
  for (const name of readdirSync(stagingDir)) {
    const pid = name.startsWith(namePrefix)
      ? /^\d+(?=-)/.exec(name.slice(namePrefix.length))?.[0]
      : undefined;
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const path = join(stagingDir, name);
    const info = lstatSync(path, { throwIfNoEntry: false });
    if (info && info.uid === process.getuid?.() && Date.now() - info.mtimeMs > staleMs) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

/** A private directory for FIFO and results. Nothing large is ever in it. */
export function privateDirectory(stagingDir: string = tmpdir()): string {
  mkdirSync(stagingDir, { recursive: true });
  sweep(stagingDir);
  return mkdtempSync(join(stagingDir, `${namePrefix}${process.pid}-`));
}

/** A file without a name: it vanishes with the last process that has it open, also after kill -9. */
export function namelessFile(stagingDir: string = tmpdir()): { fd: number; close(): void } {
  mkdirSync(stagingDir, { recursive: true });
  const path = join(stagingDir, `${namePrefix}${process.pid}-${crypto.randomUUID()}`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return { fd, close: () => closeSync(fd) };
}

export class ImageStream {
  /** The unpacked image's first bytes. */
  readonly head: Uint8Array;
  readonly packing: Packing;
  readonly label: string;
  readonly #directory: string;
  readonly #request: StreamRequest;
  readonly #source: Promise<PipelineResult>;
  readonly #stop: AbortController;
  #used = false;

  constructor(
    request: StreamRequest,
    directory: string,
    source: Promise<PipelineResult>,
    stop: AbortController,
  ) {
    this.#request = request;
    this.#directory = directory;
    this.#source = source;
    this.#stop = stop;
    this.label = request.label;
    this.head = readFileSync(join(directory, 'head'));
    this.packing = readFileSync(join(directory, 'packing'), 'utf8').trim() as Packing;
  }

  /** The whole image is already in `head`. */
  get isShort(): boolean {
    return this.head.length < headBytes;
  }

  /**
   * Sends the unpacked image through `further` stages. Resolves when everything was fetched, everything was written and
   * every checksum is right; the first real failure of either side is thrown (PipelineError, IMAGE_CHECKSUM).
   */
  async consume(
    further: readonly Stage[],
    options: Omit<PipelineOptions, 'signal'>,
  ): Promise<PipelineResult> {
    if (this.#used) throw new DriverError('INTERNAL', `${this.label} can be read only once`);
    this.#used = true;
    const end = new AbortController();
    const fifo: Stage = { name: stages.relay, argv: ['cat', '--', join(this.#directory, 'fifo')] };
    const sink = runPipeline([fifo, ...further], {
      ...options,
      signal: abortable(this.#request.signal, end),
    });
    // Either side may wait for ever at the FIFO when the other one is gone. A source that only lost its reader fails
    // because of the sink, which is about to say why.
    let timer: ReturnType<typeof setTimeout> | undefined;
    this.#source.catch((error: unknown) => {
      timer = setTimeout(() => end.abort(), isLostPipe(error) ? lostPipeGraceMs : 1000);
    });
    sink.catch(() => this.#stop.abort());
    const [fetched, written] = await Promise.allSettled([this.#source, sink]);
    clearTimeout(timer);
    this.#judgeSource(fetched, written);
    if (written.status === 'rejected') throw written.reason;
    this.#check();
    return written.value;
  }

  /** Throws the source's failure when it is one of its own and not the echo of the other side's. */
  #judgeSource(
    fetched: PromiseSettledResult<PipelineResult>,
    written: PromiseSettledResult<PipelineResult>,
  ): void {
    if (fetched.status === 'fulfilled') return;
    const error: unknown = fetched.reason;
    if (written.status === 'fulfilled') throw error;
    const sinkWasStopped = isDriverError(written.reason, 'INTERRUPTED');
    const isEcho = isLostPipe(error) || isDriverError(error, 'INTERRUPTED');
    if (sinkWasStopped || !isEcho) throw error;
  }

  #check(): void {
    for (const [algorithm, expected] of givenChecksums(this.#request.checksums ?? {})) {
      compareChecksum(algorithm, expected, readChecksum(join(this.#directory, algorithm)));
    }
  }

  /** HTTP headers of the answer, as the fetching program left them. */
  get headers(): string {
    const file = this.#request.headersFile;
    return file && existsSync(file) ? readFileSync(file, 'latin1') : '';
  }

  /** Ends what runs and removes what is left. Always call it. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#source.catch(() => undefined);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function sourceStages(request: StreamRequest, directory: string, mark: string): Stage[] {
  return [
    request.fetch,
    ...givenChecksums(request.checksums ?? {}).map(([algorithm]) =>
      checksumStage(algorithm, join(directory, algorithm)),
    ),
    {
      name: stages.unpack,
      argv: localArgv({
        script: unpackScript,
        args: [request.noDecompress ? '1' : '0', join(directory, 'packing')],
      }),
    },
    {
      name: stages.relay,
      argv: localArgv({
        script: relayScript,
        args: [join(directory, 'head'), String(headBytes), join(directory, 'fifo'), mark],
      }),
    },
  ];
}

/**
 * Starts fetching and resolves when the head is there. Throws what the source throws until then (PipelineError,
 * HOST_TIMEOUT, INTERRUPTED).
 */
export async function openStream(request: StreamRequest, directory: string): Promise<ImageStream> {
  const stop = new AbortController();
  try {
    const made = Bun.spawnSync(['mkfifo', '-m', '600', '--', join(directory, 'fifo')]);
    if (!made.success) throw new DriverError('INTERNAL', `mkfifo: ${made.stderr.toString().trim()}`);
    const head = Promise.withResolvers<void>();
    const mark = `@head-${crypto.randomUUID()}`;
    let seen = '';
    const source = runPipeline(sourceStages(request, directory, mark), {
      timeoutMs: request.timeoutMs,
      signal: abortable(request.signal, stop),
      ...(request.env ? { env: request.env } : {}),
      ...(request.descriptors ? { descriptors: request.descriptors } : {}),
      onStderr: (text) => {
        seen = (seen + text).slice(-4096);
        if (seen.includes(mark)) head.resolve();
      },
    });
    source.catch(head.reject);
    await head.promise;
    return new ImageStream(request, directory, source, stop);
  } catch (error) {
    stop.abort();
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Arguments: most bytes. Into descriptor 3; holes for zeroes. */
const storeScript = `
dd of=/proc/self/fd/3 bs=64K count="$1" iflag=fullblock,count_bytes conv=sparse status=none || exit 1
[ "$(head -c 1 | wc -c)" = 0 ] || exit 72
`;

/** Puts a stream into a nameless file. Throws IMAGE_SIZE when it is longer than `limit`: a decompression bomb. */
export async function storeStream(
  stream: ImageStream,
  fd: number,
  limit: Bytes,
  options: Omit<PipelineOptions, 'signal' | 'descriptors'>,
): Promise<Bytes> {
  const store: Stage = {
    name: stages.store,
    argv: localArgv({ script: storeScript, args: [String(limit)] }),
  };
  try {
    await stream.consume([store], { ...options, descriptors: [fd] });
  } catch (error) {
    if (error instanceof PipelineError && error.stage === stages.store && error.exitCode === 72) {
      throw new DriverError('IMAGE_SIZE', `${stream.label} unpacks to more than ${limit} bytes`);
    }
    throw error;
  }
  return bytes(fstatSync(fd).size);
}
