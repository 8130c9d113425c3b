import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import { encodeBase64Lines } from '../opennebula/base64.ts';
import type { BackupPlace } from './place.ts';
import makeDirectoryText from './shell/make-directory.sh' with { type: 'text' };
import removeDirectoryText from './shell/remove-directory.sh' with { type: 'text' };
import saveTpmText from './shell/save-tpm.sh' with { type: 'text' };

/** The directory that the backup datastore's driver takes as a whole: nothing else may lie in it (backup contract B4, B8). */

/** Arguments: directory. stdin: vm.xml. */
const makeScript = `\n${makeDirectoryText}`;

/** Arguments: directory, and the VM's directory above it, if that goes too. */
const removeScript = `\n${removeDirectoryText}`;

/** A new, empty directory with the VM's document; its removal is on the undo stack. */
export async function makeDirectory(ctx: Context, place: BackupPlace, xml: string): Promise<void> {
  ctx.undo.push(`remove ${place.directory} on ${place.host}`, () => removeDirectory(ctx, place));
  await ctx.hosts.run(place.host, {
    verb: 'make-backup-dir',
    script: makeScript,
    args: [place.directory],
    stdin: encodeBase64Lines(xml),
    timeoutMs: 10 * 60_000,
  });
}

export async function removeDirectory(ctx: Pick<Context, 'hosts'>, place: BackupPlace): Promise<void> {
  await ctx.hosts.run(place.host, {
    verb: 'remove-backup-dir',
    script: removeScript,
    args: [place.directory, place.parent ?? ''],
    timeoutMs: 10 * 60_000,
  });
}

/**
 * Arguments: domain (or empty), the VM's directory. The state of the virtual TPM as tar.gz on stdout. What libvirt keeps of a running one is put into
 * the directory first where OpenNebula's helper is installed (7.x).
 */
const saveTpmScript = `\n${saveTpmText}`;

const writeScript = `
umask 077
cat >"$1" && [ -s "$1" ]
`;

/** `disk.tpm.0`. A VM that has no state yet has nothing to save. Throws HOST_COMMAND. */
export async function saveTpm(
  ctx: Context,
  vm: { readonly host: string; readonly directory: string; readonly domain: string },
  place: BackupPlace,
): Promise<void> {
  const { PipelineError, runPipeline } = await import('../hosts/pipeline.ts');
  const read = { script: saveTpmScript, args: [vm.domain, vm.directory] };
  const write = { script: writeScript, args: [`${place.directory}/disk.tpm.0`] };
  try {
    await runPipeline(
      [
        { name: `read the TPM on ${vm.host}`, argv: ctx.hosts.sshArgv(vm.host, read) },
        {
          name: `write the TPM on ${place.host}`,
          argv: ctx.hosts.sshArgv(place.host, write),
          secondaryCodes: [1],
        },
      ],
      { timeoutMs: 5 * 60_000, signal: ctx.signal },
    );
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    if (error.exitCode !== 71)
      throw new DriverError('HOST_COMMAND', `the state of the TPM is not saved: ${error.message}`, {
        cause: error,
      });
    ctx.log.warn(`there is no ${vm.directory}/tpm on ${vm.host}: the backup holds no state of the TPM`);
    await ctx.hosts.run(place.host, {
      verb: 'remove-file',
      script: 'rm -f -- "$1"',
      args: [`${place.directory}/disk.tpm.0`],
      timeoutMs: 30_000,
    });
  }
}
