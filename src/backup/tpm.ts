import type { Context } from '../context.ts';
import putTpmText from './shell/put-tpm.sh' with { type: 'text' };

/** Arguments: the VM's directory. stdin: tar.gz with `tpm`. The old state goes when the new one is whole. */
const putScript = `\n${putTpmText}`;

/** The state of a virtual TPM, as `saveTpm` has packed it. Throws HOST_COMMAND. */
export async function putTpm(
  ctx: Context,
  { host, directory }: { readonly host: string; readonly directory: string },
  archive: Uint8Array,
): Promise<void> {
  await ctx.hosts.run(host, {
    verb: 'restore-tpm',
    script: putScript,
    args: [directory],
    stdin: archive,
    timeoutMs: 5 * 60_000,
  });
}
