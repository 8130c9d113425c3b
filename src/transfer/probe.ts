import { readSync } from 'node:fs';
import { z } from 'zod';
import { DriverError } from '../errors.ts';
import { PipelineError, type PipelineResult, runPipeline, type Stage } from '../hosts/pipeline.ts';
import { localArgv } from '../hosts/ssh.ts';
import { type Bytes, bytes } from '../units.ts';
import { headBytes, type ImageFormat, readHead } from './formats.ts';
import endOfDataText from './shell/end-of-data.sh' with { type: 'text' };
import probeText from './shell/probe.sh' with { type: 'text' };
import { checkTables } from './tables.ts';
import { stages } from './target.ts';

/** The first bytes of an open file, without moving its position. */
export function readFileHead(fd: number, limit = headBytes): Uint8Array {
  const buffer = Buffer.alloc(limit);
  let filled = 0;
  while (filled < limit) {
    const count = readSync(fd, buffer, filled, limit - filled, filled);
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

export interface ImageInfo {
  readonly format: ImageFormat;
  readonly virtualBytes: Bytes;
  /** Programs that are not told otherwise see less (or more) of it: `repacked` first. */
  readonly ambiguous?: boolean;
}

/** What qemu-img is allowed: address space in KiB, processor seconds. Hostile headers have made it eat both. */
const limits = { addressKib: 2 * 1024 * 1024, cpuSeconds: 30 } as const;
const deadlineMs = 30_000;
const checkDeadlineMs = 300_000;

/** The image is descriptor 3. Arguments: KiB, seconds, sub-command, format, name. */
const script = `\n${probeText}`;

const heldFile = '/proc/self/fd/3';

/**
 * A VHD says its size twice: in bytes, and as cylinders, heads and sectors, which come out smaller. By the creator's name qemu-img
 * believes the one or the other. What the creator meant are the bytes.
 */
const statedSize = JSON.stringify({
  force_size_calc: 'current_size',
  file: { driver: 'file', filename: heldFile },
});

/** For qemu-img, which is told the format as well. */
const nameFor = (format: ImageFormat): string => (format === 'vpc' ? `json:${statedSize}` : heldFile);

async function qemuImg(
  fd: number,
  command: 'info' | 'check' | 'map',
  format: ImageFormat,
  okCodes: readonly number[],
  further: readonly Stage[] = [],
  name = nameFor(format),
): Promise<PipelineResult> {
  const checking = command !== 'info';
  const args = [String(limits.addressKib), String(checking ? 240 : limits.cpuSeconds), command, format, name];
  const stage = { name: `qemu-img ${command}`, argv: localArgv({ script, args }), okCodes };
  return runPipeline([stage, ...further], {
    timeoutMs: checking ? checkDeadlineMs : deadlineMs,
    descriptors: [fd],
  });
}

/** Of a VHD, as programs see it that nobody tells. */
async function guessedSize(fd: number): Promise<Bytes> {
  const { stdout } = await qemuImg(fd, 'info', 'vpc', [0], [], heldFile);
  return judgeInfo(stdout, 'vpc');
}

/** The image is descriptor 3, the file that it is packed into descriptor 4. Arguments: format, name. */
const repackScript = 'exec qemu-img convert -f "$1" -O qcow2 -- "$2" /proc/self/fd/4';

/** The same image, in a file where its size is said once. */
export async function repack(
  fd: number,
  { format, virtualBytes }: ImageInfo,
  options: { readonly into: number; readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<ImageInfo> {
  const { into, ...limit } = options;
  const argv = localArgv({ script: repackScript, args: [format, nameFor(format)] });
  await runPipeline([{ name: stages.read, argv }], { ...limit, descriptors: [fd, into] });
  return { format: 'qcow2', virtualBytes };
}

const infoSchema = z.looseObject({
  format: z.string(),
  'virtual-size': z.number(),
  'backing-filename': z.string().optional(),
  'full-backing-filename': z.string().optional(),
  encrypted: z.boolean().optional(),
  'format-specific': z
    .looseObject({
      data: z
        .looseObject({
          'data-file': z.string().optional(),
          encrypt: z.unknown().optional(),
          extents: z.array(z.unknown()).optional(),
        })
        .optional(),
    })
    .optional(),
});

/** Cut off where it is longer than what is kept of a program's output: an image with thousands of snapshots. */
function parseInfo(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function judgeInfo(text: string, format: ImageFormat): Bytes {
  const parsed = infoSchema.safeParse(parseInfo(text));
  if (!parsed.success)
    throw new DriverError('IMAGE_FORMAT', 'qemu-img’s description of the image is not understood');
  const info = parsed.data;
  const special = info['format-specific']?.data;
  if (info['backing-filename'] ?? info['full-backing-filename'] ?? special?.['data-file']) {
    throw new DriverError('IMAGE_HOSTILE', 'the image is refused: it refers to another file');
  }
  if ((special?.extents?.length ?? 1) !== 1) {
    throw new DriverError('IMAGE_HOSTILE', 'the image is refused: it consists of several files');
  }
  if (info.encrypted || special?.encrypt) {
    throw new DriverError('IMAGE_FORMAT', `encrypted ${format} images are not supported`);
  }
  if (info.format !== format) {
    throw new DriverError('IMAGE_FORMAT', `the image looks like ${format}, but qemu-img says ${info.format}`);
  }
  return bytes(info['virtual-size']);
}

/** zlib's best; other programs write what packs better than that as no data at all. */
const bestPacking = 1100;
/** The last cluster, tables, and what a program counts differently. */
const slack = 64 * 1024 * 1024;

/**
 * `qemu-img map` of a huge image is gigabytes of text: only where its data end is kept, and how much there are. Arguments: the most data that the
 * file can hold, as they are and packed. Ends when there are more: nothing of what follows matters.
 */
const endOfData = `\n${endOfDataText}`;

/**
 * Data that lie beyond the end of the file read as zeroes without any complaint: a download that broke off would
 * become a good image.
 */
async function checkComplete(fd: number, format: ImageFormat, fileBytes: Bytes): Promise<void> {
  const limits = [fileBytes + slack, fileBytes * bestPacking + slack].map(String);
  const { stdout } = await qemuImg(
    fd,
    'map',
    format,
    // 141: awk has seen enough.
    [0, 141],
    [{ name: 'awk', argv: localArgv({ script: endOfData, args: limits }), okCodes: [0, 141] }],
  );
  if (stdout.startsWith('too much')) {
    throw new DriverError(
      'IMAGE_HOSTILE',
      `the image is refused: it shows the same part of its file (${fileBytes} bytes) as data over and over`,
    );
  }
  const end = Number(stdout);
  // To the byte: clusters are written in full, and the last one is where an interrupted download ends.
  if (end > fileBytes) {
    throw new DriverError(
      'IMAGE_FORMAT',
      `the image is cut off: its data end at ${end}, the file at ${fileBytes}`,
      { remedy: damaged },
    );
  }
}

const damaged = 'the file is damaged or was cut off; fetch it again';

/** qemu-img's last line without what it calls the file: a descriptor, which says nothing to a person. */
function complaint(stderr: string): string {
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return last.replace(/^qemu-img: /, '').replaceAll(/Could not open '\/proc\/self\/fd\/\d+': /g, '');
}

function asImageError(error: unknown): unknown {
  if (!(error instanceof PipelineError)) return error;
  return new DriverError(
    'IMAGE_FORMAT',
    `the image cannot be read (${error.stage}): ${complaint(error.stderr)}`,
    {
      remedy: `${damaged}, or convert it to a plain raw or qcow2 file where it can be read`,
      cause: error,
    },
  );
}

async function check(fd: number, format: ImageFormat, fileBytes: Bytes): Promise<void> {
  checkTables(fd, format, fileBytes);
  // 2: corrupt; 3: only leaked space; 63: this format has no check.
  const checked = await qemuImg(fd, 'check', format, [0, 2, 3, 63]);
  if (checked.codes[0] === 2) {
    throw new DriverError('IMAGE_FORMAT', `the ${format} image is corrupt (qemu-img check)`, {
      remedy: `${damaged}, or repair a copy of it with \`qemu-img check -r all\` and compare what it holds`,
    });
  }
  await checkComplete(fd, format, fileBytes);
}

/**
 * Format and virtual size of the image in an open file: by its header, which decides, then confirmed by qemu-img under
 * limits of time and memory. With `thorough`, also that the file is complete and consistent.
 *
 * Throws IMAGE_HOSTILE, IMAGE_FORMAT, IMAGE_SIZE.
 */
export async function probeFile(
  fd: number,
  fileBytes: Bytes,
  options: { readonly thorough: boolean; readonly packed?: 'refused' | 'as is' },
): Promise<ImageInfo> {
  if (fileBytes === 0) throw new DriverError('IMAGE_SIZE', 'the image is empty');
  const head = readHead(readFileHead(fd), options.packed);
  if (head.format === 'raw') return { format: 'raw', virtualBytes: fileBytes };
  try {
    const { stdout } = await qemuImg(fd, 'info', head.format, [0]);
    const virtualBytes = judgeInfo(stdout, head.format);
    if (head.virtualBytes !== undefined && head.virtualBytes !== virtualBytes) {
      throw new DriverError(
        'IMAGE_SIZE',
        `the image’s header says ${head.virtualBytes} bytes, qemu-img ${virtualBytes}`,
      );
    }
    if (options.thorough) await check(fd, head.format, fileBytes);
    const ambiguous = head.format === 'vpc' && (await guessedSize(fd)) !== virtualBytes;
    return { format: head.format, virtualBytes, ...(ambiguous ? { ambiguous } : {}) };
  } catch (error) {
    throw asImageError(error);
  }
}
