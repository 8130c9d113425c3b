import type { Context } from '../context.ts';
import { makeFileSystem, makeSwap } from '../hosts/scripts/device.ts';
import type { HostDevice } from '../hosts/scripts/identity.ts';

export async function formatDevice(
  ctx: Context,
  host: string,
  device: HostDevice,
  fs: string,
): Promise<void> {
  if (fs === 'swap') await makeSwap(ctx.hosts, host, device);
  else await makeFileSystem(ctx.hosts, host, device, fs);
}

/** Every byte reads as zero afterwards. For pools that do not promise it for new volumes. */
export async function wipeDevice(ctx: Context, host: string, device: HostDevice): Promise<void> {
  const { zeroDevice } = await import('../transfer/wipe.ts');
  await zeroDevice(ctx.hosts, host, device);
}
