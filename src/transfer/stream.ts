import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, rmSync } from 'node:fs';
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
import { headScript, storeScript, unpackScript } from './stream-scripts.ts';
import { stages } from './target.ts';

/**
 * A source that can be read once, from front to end: a download, or a compressed file. It is fetched exactly once: a first
 * pipeline fetches, sums up and unpacks into a FIFO, and blocks when the beginning was taken out of it; what becomes of it is
 * decided by that, and a second pipeline takes the rest from the FIFO.
 */

/** Words for the programs that take a stream: see `streamFunctions`. */
export type StreamInput = readonly [head: string, fifo: string, mark: string];

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
  return error instanceof PipelineError && error.exitCode === 141;
}

/** Calls back once when `mark` was printed. */
function watchFor(mark: string, found: () => void): (text: string) => void {
  let seen = '';
  return (text) => {
    seen = (seen + text).slice(-4096);
    if (seen.includes(mark)) found();
  };
}

const abortable = (signal: AbortSignal | undefined, own: AbortController): AbortSignal =>
  signal ? AbortSignal.any([signal, own.signal]) : own.signal;

export class ImageStream {
  /** The unpacked image's first bytes. */
  readonly head: Uint8Array;
  readonly packing: Packing;
  readonly label: string;
  readonly #directory: string;
  readonly #request: StreamRequest;
  readonly #source: Promise<PipelineResult>;
  readonly #stop: AbortController;
  /** Our own descriptor of the FIFO, open for both sides: what was written stays until the next program has opened it. */
  #held: number | undefined;
  #used = false;

  constructor(
    request: StreamRequest,
    directory: string,
    source: Promise<PipelineResult>,
    stop: AbortController,
    held: number,
  ) {
    this.#request = request;
    this.#directory = directory;
    this.#source = source;
    this.#stop = stop;
    this.#held = held;
    this.label = request.label;
    this.head = readFileSync(join(directory, 'head'));
    this.packing = readFileSync(join(directory, 'packing'), 'utf8').trim() as Packing;
  }

  /** The whole image is already in `head`. */
  get isShort(): boolean {
    return this.head.length < headBytes;
  }

  /**
   * Sends the unpacked image through stages, of which the first takes the input. Resolves when everything was fetched,
   * everything was written and every checksum is right; the first real failure of either side is thrown (PipelineError,
   * IMAGE_CHECKSUM).
   */
  async consume(
    stagesFor: (input: StreamInput) => readonly Stage[],
    options: Omit<PipelineOptions, 'signal'>,
  ): Promise<PipelineResult> {
    if (this.#used) throw new DriverError('INTERNAL', `${this.label} can be read only once`);
    this.#used = true;
    const end = new AbortController();
    const mark = `@open-${crypto.randomUUID()}`;
    const opened = watchFor(mark, () => this.#letGo());
    const input: StreamInput = [join(this.#directory, 'head'), join(this.#directory, 'fifo'), mark];
    const sink = runPipeline(stagesFor(input), {
      ...options,
      signal: abortable(this.#request.signal, end),
      onStderr: (text) => {
        opened(text);
        options.onStderr?.(text);
      },
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
    this.#letGo();
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

  #letGo(): void {
    if (this.#held !== undefined) closeSync(this.#held);
    this.#held = undefined;
  }

  /** Throws what made fetching fail. Of a stream that is all in the head: it ends without being consumed. */
  async outcome(): Promise<void> {
    await this.#source;
  }

  /** HTTP headers of the answer, as the fetching program left them. */
  get headers(): string {
    const file = this.#request.headersFile;
    return file && existsSync(file) ? readFileSync(file, 'latin1') : '';
  }

  /** Ends what runs and removes what is left. Always call it. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#letGo();
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
        args: [request.noDecompress ? '1' : '0', join(directory, 'packing'), join(directory, 'fifo')],
      }),
    },
    {
      name: stages.head,
      argv: localArgv({
        script: headScript,
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
  const fifo = join(directory, 'fifo');
  const descriptors: number[] = [];
  const hold = (flags: number): number => {
    const descriptor = openSync(fifo, flags);
    descriptors.push(descriptor);
    return descriptor;
  };
  try {
    const made = Bun.spawnSync(['mkfifo', '-m', '600', '--', fifo]);
    if (!made.success) throw new DriverError('INTERNAL', `mkfifo: ${made.stderr.toString().trim()}`);
    // Only for reading: whoever takes the head must see the end of a short stream.
    const reading = hold(constants.O_RDONLY | constants.O_NONBLOCK);
    const head = Promise.withResolvers<void>();
    const mark = `@head-${crypto.randomUUID()}`;
    const source = runPipeline(sourceStages(request, directory, mark), {
      timeoutMs: request.timeoutMs,
      signal: abortable(request.signal, stop),
      ...(request.env ? { env: request.env } : {}),
      ...(request.descriptors ? { descriptors: request.descriptors } : {}),
      onStderr: watchFor(mark, head.resolve),
    });
    source.catch(head.reject);
    await head.promise;
    const stream = new ImageStream(request, directory, source, stop, hold(constants.O_RDWR));
    closeSync(reading);
    return stream;
  } catch (error) {
    stop.abort();
    for (const descriptor of descriptors) closeSync(descriptor);
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** A decompression bomb, or an image larger than its volume. */
export class TooLong extends DriverError {
  constructor(label: string, limit: Bytes) {
    super('IMAGE_SIZE', `${label} unpacks to more than ${limit} bytes`);
  }
}

/** Puts a stream into a nameless file. Throws IMAGE_SIZE when it is longer than `limit`: a decompression bomb. */
export async function storeStream(
  stream: ImageStream,
  fd: number,
  limit: Bytes,
  options: Omit<PipelineOptions, 'signal' | 'descriptors'>,
): Promise<Bytes> {
  const store = (input: StreamInput): Stage => ({
    name: stages.store,
    argv: localArgv({ script: storeScript, args: [String(limit), ...input] }),
  });
  try {
    await stream.consume((input) => [store(input)], { ...options, descriptors: [fd] });
  } catch (error) {
    if (error instanceof PipelineError && error.stage === stages.store && error.exitCode === 72) {
      throw new TooLong(stream.label, limit);
    }
    throw error;
  }
  return bytes(fstatSync(fd).size);
}
