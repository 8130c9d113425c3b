import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { DriverError } from '../../errors.ts';
import {
  Cluster,
  generations,
  type LabDescription,
  type PoolKind,
  poolKinds,
  readDescription,
} from '../../lab/cluster.ts';

/** Options that several `lab` commands share, read once. */

export const dirOption = {
  type: 'string',
  description: 'the lab’s directory (default $LINSTOR_UN_LAB, else ~/.local/state/linstor_un/lab)',
  valueHint: 'DIR',
} as const;

export function labDirectory(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const state = env['XDG_STATE_HOME'] ?? join(env['HOME'] ?? homedir(), '.local/state');
  return resolve(given || env['LINSTOR_UN_LAB'] || join(state, 'linstor_un/lab'));
}

/** Throws LAB when there is none. */
export function openLab(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Cluster {
  const dir = labDirectory(given, env);
  try {
    readDescription(dir);
  } catch (error) {
    throw new DriverError('LAB', error instanceof Error ? error.message : String(error), {
      remedy: 'start one with `linstor_un lab up`',
    });
  }
  mustBeOurs(dir);
  return new Cluster(dir);
}

/** Another user's lab can be looked at with their rights only: even its ssh writes there. */
export function mustBeOurs(dir: string): void {
  try {
    accessSync(dir, constants.W_OK);
  } catch {
    throw new DriverError('LAB', `the lab in ${dir} belongs to somebody else`, {
      remedy: 'run the command as that user, or make a lab of your own with --dir',
    });
  }
}

export function labGeneration(text: string): LabDescription['generation'] {
  const found = generations.find((each) => each === text);
  if (!found)
    throw new DriverError('USAGE', `the lab has no LINSTOR ${text}`, {
      remedy: `one of ${generations.join(', ')}`,
    });
  return found;
}

/** `3`, or names: `alpha,bravo`. */
export function labNodes(text: string): string[] {
  if (/^\d+$/.test(text)) {
    const count = Number(text);
    if (count < 1 || count > 32) throw new DriverError('USAGE', `${count} nodes: 1 to 32 are possible`);
    return Array.from({ length: count }, (_, index) => `node${index + 1}`);
  }
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(name));
  if (wrong !== undefined || new Set(names).size !== names.length)
    throw new DriverError('USAGE', `“${text}” is neither a number nor a list of different node names`);
  return names;
}

const layers: readonly string[] = ['DRBD', 'LUKS', 'NVME', 'WRITECACHE', 'CACHE', 'BCACHE', 'STORAGE'];

/** `drbd,storage`: what the satellites support. */
export function labLayers(text: string): string[] {
  const wanted = text.split(',').map((layer) => layer.trim().toUpperCase());
  const wrong = wanted.find((layer) => !layers.includes(layer));
  if (wrong !== undefined)
    throw new DriverError('USAGE', `“${wrong}” is not a layer`, { remedy: `some of ${layers.join(', ')}` });
  return wanted;
}

const sizes: Readonly<Record<string, number>> = { M: 1024, G: 1024 ** 2, T: 1024 ** 3 };

/** `thin=LVM_THIN:20G,fat=LVM`: name, kind, size. */
export function labPools(text: string): { name: string; provider: PoolKind; sizeKib?: number }[] {
  return text.split(',').map((part) => {
    const [, name, kind, digits, unit = 'G'] =
      /^([A-Za-z][\w-]*)=([A-Za-z_]+)(?::(\d+)([MGT])?)?$/.exec(part.trim()) ?? [];
    const provider = poolKinds.find((each) => each === kind?.toUpperCase());
    if (name === undefined || provider === undefined || Number(digits ?? 1) === 0) {
      throw new DriverError('USAGE', `“${part}” is not a pool`, {
        remedy: `write name=KIND or name=KIND:SIZE, e.g. thin=LVM_THIN:20G; kinds: ${poolKinds.join(', ')}`,
      });
    }
    return {
      name,
      provider,
      ...(digits === undefined ? {} : { sizeKib: Number(digits) * (sizes[unit] ?? 1) }),
    };
  });
}
