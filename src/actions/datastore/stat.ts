import { isVolumeAddress } from '../../adopt/address.ts';
import { readDatastoreMessage } from '../../opennebula/message.ts';
import type { ActionHandler } from '../action.ts';
import { imageSource } from '../image-source.ts';

/** Virtual size of what PATH names, in MiB rounded up (contract §2.5). The path policy holds here too: no oracle for other files. */
export const stat: ActionHandler = async (call, ctx) => {
  const message = await readDatastoreMessage(call);
  const settings = ctx.settings(message.datastore.template);
  if (isVolumeAddress(message.path)) {
    const { sizeOfVolume } = await import('../adopted-image.ts');
    return String(await sizeOfVolume(ctx, message, settings));
  }
  const { virtualSize } = await import('../../transfer/vsize.ts');
  return String(
    await virtualSize(await imageSource(ctx, message, settings), {
      stagingDir: settings.stagingDir,
      signal: ctx.signal,
    }),
  );
};
