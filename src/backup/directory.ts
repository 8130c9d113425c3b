import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import { encodeBase64Lines } from '../opennebula/base64.ts';
import type { BackupPlace } from './place.ts';

/** The directory that the backup datastore's driver takes as a whole: nothing else may lie in it (backup contract B4, B8). */

/** Arguments: directory. stdin: vm.xml. */
const makeScript = `
set -e
umask 077
case $1 in /*/backup) ;; *) echo "$1 is not a backup directory" >&2; exit 1 ;; esac
rm -rf --one-file-system -- "$1"
mkdir -p -- "$1"
cat >"$1/vm.xml"
`;

/** Arguments: directory, and the VM's directory above it, if that goes too. */
const removeScript = `
case $1 in /*/backup) ;; *) echo "$1 is not a backup directory" >&2; exit 1 ;; esac
rm -rf --one-file-system -- "$1" || exit 1
if [ -n "$2" ]; then rmdir -- "$2" 2>/dev/null; fi
exit 0
`;

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
const saveTpmScript = `
domain=$1 directory=$2
if [ -n "$domain" ] && sudo -n -l 2>/dev/null | grep -q vtpm_setup; then
  sudo -n /var/tmp/one/vtpm_setup backup "$domain" "$directory" >&2 || exit 1
fi
[ -d "$directory/tpm" ] || exit 71
tar czf - -C "$directory" tpm
`;

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
