import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Context } from '../context.ts';
import type { BridgeDevice } from '../disks/bridge.ts';
import { DriverError } from '../errors.ts';
import { PipelineError, runPipeline, type Stage } from '../hosts/pipeline.ts';
import { lastLines, localArgv } from '../hosts/ssh.ts';
import { withoutProgress, withProgress } from '../transfer/progress.ts';
import { stages } from '../transfer/target.ts';
import { pipelineOptions, senderCommand } from '../transfer/write.ts';
import type { Bytes } from '../units.ts';
import receiveFileText from './shell/receive-file.sh' with { type: 'text' };

/** From a device to a file of this machine: only data travel, and what is not data is a hole. */

export type FileFormat = 'raw' | 'qcow2';

/** Arguments: file, which is there and empty. Takes what the sender of `transfer/wire.ts` sends. */
const receiveFile = `\n${receiveFileText}`;

/** Arguments: raw file, file to be made. */
const toQcow2 = 'exec qemu-img convert -p -t writeback -f raw -O qcow2 -- "$1" "$2" >&2';

/** What stands at the end of the name until the file is whole. */
const unfinished = '.part';

const failed = { full: 72, cut: 73 } as const;

/**
 * The file appears whole or not at all: until then it has another name, which goes whatever happens (but for `kill -9`). One that is there
 * already is not written over. Throws USAGE, HOST_*, DEVICE_*, INTERRUPTED.
 */
export async function writeFile(
  ctx: Context,
  device: BridgeDevice,
  file: { readonly path: string; readonly format: FileFormat; readonly bytes: Bytes; readonly label: string },
): Promise<void> {
  const { path, format } = file;
  if (existsSync(path))
    throw new DriverError('USAGE', `${path} is there already`, {
      remedy: 'remove it, or choose another name',
    });
  const stem = join(dirname(path), `.${basename(path)}-${crypto.randomUUID().slice(0, 8)}`);
  const raw = `${stem}.raw${unfinished}`;
  const packed = `${stem}.qcow2${unfinished}`;
  const forget = ctx.undo.push(`remove the unfinished ${path}`, async () => {
    for (const each of [raw, packed]) rmSync(each, { force: true });
  });
  closeSync(create(raw));
  await withProgress(ctx.log, file.label, ctx.clock, async (onProgress) => {
    const options = { signal: ctx.signal, clock: ctx.clock, onProgress };
    const read: Stage = {
      name: stages.read,
      argv: ctx.hosts.sshArgv(
        device.host,
        senderCommand(
          {
            mode: 'windows',
            source: device.device,
            identity: device.identity,
            format: 'raw',
            total: file.bytes,
            chunks: '/var/tmp/.linstor_un-',
          },
          {},
        ),
      ),
      secondaryCodes: [255],
    };
    const write: Stage = {
      name: stages.write,
      argv: localArgv({ script: receiveFile, args: [raw] }),
      secondaryCodes: [failed.cut],
    };
    await told(file.path, device, () => runPipeline([read, write], pipelineOptions(options, file.bytes)));
    if (format === 'raw') return;
    const pack: Stage = { name: 'qemu-img', argv: localArgv({ script: toQcow2, args: [raw, packed] }) };
    await told(file.path, device, () =>
      runPipeline([pack], { ...pipelineOptions(options, file.bytes), holdStdin: true }),
    );
    rmSync(raw, { force: true });
  });
  const whole = format === 'raw' ? raw : packed;
  const handle = openSync(whole, 'r+');
  fsyncSync(handle);
  closeSync(handle);
  renameSync(whole, path);
  forget();
}

function create(path: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    throw new DriverError('USAGE', `no file can be made in ${dirname(path)}: ${(error as Error).message}`, {
      remedy: 'choose a directory that this user may write to',
    });
  }
}

async function told(
  path: string,
  { device, host }: BridgeDevice,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    const said = lastLines(withoutProgress(error.stderr), 3).join(' | ');
    const why = said === '' ? `exit code ${error.exitCode}` : said;
    if (error.stage === stages.read && error.exitCode === 255)
      throw new DriverError('HOST_UNREACHABLE', `reading ${device} on ${host} failed: ${why}`);
    if (error.stage === stages.read)
      throw new DriverError('HOST_COMMAND', `reading ${device} on ${host} failed: ${why}`);
    throw new DriverError('HOST_COMMAND', `${path} is not written: ${why}`, {
      remedy: 'make room there, or choose another place',
    });
  }
}
