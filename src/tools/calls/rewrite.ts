import type { RecordedCall } from './recording.ts';
import type { World } from './world.ts';

/** Where the recording's files and directories are on the lab. */
export interface Places {
  /** DATASTORE_LOCATION of the lab. */
  readonly location: string;
  /** Directory that images may be imported from. */
  readonly imports: string;
  /** The file that stands for every imported one. */
  readonly image: string;
  /** This machine's name, in the place of the recording's front-end. */
  readonly frontend: string;
}

/** A recorded text as if its OpenNebula had had this driver, on the lab. */
export function rewriteText(text: string, world: World, places: Places): string {
  const drivers = [...world.drivers].map((name) => RegExp.escape(name)).join('|');
  return world
    .ours(text)
    .replaceAll(
      new RegExp(`(<(?:DS_MAD|TM_MAD|TM_MAD_SYSTEM)>(?:<!\\[CDATA\\[)?)(?:${drivers})(?=\\]\\]>|<)`, 'g'),
      '$1linstor_un',
    )
    .replaceAll(/(<SAFE_DIRS>(?:<!\[CDATA\[)?)[^<\]]*/g, `$1${places.imports}`)
    .replaceAll(/(<PATH>(?:<!\[CDATA\[)?)(?:\/|https?:)(?!dev\/drbd\/)[^<\]]+/g, `$1${places.image}`)
    .replaceAll(/\/var\/lib\/one\/+datastores/g, places.location);
}

export interface RewrittenCall extends Omit<RecordedCall, 'argv' | 'document'> {
  readonly argv: readonly string[];
  readonly stdin: string;
}

export function rewriteCall(call: RecordedCall, world: World, places: Places): RewrittenCall {
  const { document, ...rest } = call;
  const text = document === undefined ? '' : rewriteText(document, world, places);
  return {
    ...rest,
    argv: call.argv.map((argument) => onThisFrontend(rewriteText(argument, world, places), world, places)),
    stdin: call.encoding === 'base64' ? Buffer.from(text).toString('base64') : text,
  };
}

function onThisFrontend(argument: string, world: World, { frontend }: Places): string {
  const host = argument.split(':', 1)[0] ?? '';
  return world.frontends.has(host) ? frontend + argument.slice(host.length) : argument;
}
