import { type LabDefinition, type LayerKind, layerKinds } from '../model/definition.ts';
import { randomSecret } from '../model/drbd.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';

/** Layer stacks of definitions and resources. */

export function layersFrom(names: readonly string[]): LayerKind[] {
  return names.map((name) => {
    const kind = name.toUpperCase() as LayerKind;
    if (!layerKinds.includes(kind))
      throw new Refusal(224, `Given layer kind '${name}' is invalid`, { report: true });
    return kind;
  });
}

/** STORAGE goes below every stack; the order is fixed (linstor-behaviour §3.7). */
export function completeStack(reply: Reply, layers: LayerKind[]): LayerKind[] {
  if (layers.length === 0 || layers.includes('STORAGE')) {
    refuseBadStack(layers);
    return layers;
  }
  reply.add(1012, 'The layerstack was extended with STORAGE kind.', {
    severity: 'warning',
    details:
      'Layer stacks have to be based on STORAGE kind. Layers configured to be diskless\n' +
      'will not use the additional STORAGE layer.',
  });
  return [...layers, 'STORAGE'];
}

export function refuseBadStack(layers: readonly LayerKind[]): void {
  const order = ['DRBD', 'NVME', 'WRITECACHE', 'CACHE', 'BCACHE', 'LUKS', 'STORAGE'];
  const positions = layers.map((layer) => order.indexOf(layer));
  const rising = positions.every((position, index) => index === 0 || position > (positions[index - 1] ?? -1));
  if (layers.length > 0 && (!rising || layers.at(-1) !== 'STORAGE')) {
    throw new Refusal(225, `The layer stack [${layers.join(', ')}] is invalid`, { report: true });
  }
}

/** A fixed stack with DRBD has its secret from the start. */
export function fixDrbd(definition: LabDefinition, secret = randomSecret()): void {
  if (!definition.layers.includes('DRBD')) return;
  definition.drbd ??= { secret, peerSlots: definition.peerSlots ?? 7, transport: 'IP' };
}

export function warnLockedLuks(lab: Runtime, reply: Reply, layers: readonly LayerKind[]): void {
  const { passphrase, locked } = lab.state.encryption;
  if (!layers.includes('LUKS') || (passphrase !== undefined && !locked)) return;
  reply.add(
    1011,
    'The master key has not yet been set. Creating volume definitions within \nan encrypted resource definition will fail!',
    {
      severity: 'warning',
      correction: `${passphrase === undefined ? 'Create ' : 'Enter '} the master passphrase, or remove the luks layer from the stack`,
    },
  );
}
