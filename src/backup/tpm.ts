import type { Context } from '../context.ts';

/** Arguments: the VM's directory. stdin: tar.gz with `tpm`. The old state goes when the new one is whole. */
const putScript = `
set -e
umask 077
cd -- "$1"
rm -rf -- .tpm-restore
mkdir .tpm-restore
tar xzf - --no-same-owner -C .tpm-restore
[ -d .tpm-restore/tpm ]
rm -rf -- tpm
mv -T .tpm-restore/tpm tpm
rm -rf -- .tpm-restore
`;

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
