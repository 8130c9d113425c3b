import type { ArgsDef } from 'citty';
import { DriverError } from '../errors.ts';
import { suggest } from './suggest.ts';

/**
 * citty passes over options that it does not know; `gc --aply` must not look like a dry run that found nothing to
 * do. Throws USAGE for unknown options, options without their value, and words too many.
 */
export function checkArguments(name: string, rawArgs: readonly string[], defs: ArgsDef): void {
  const options = new Map<string, ArgsDef[string]>();
  let places = 0;
  for (const [key, def] of Object.entries(defs)) {
    if (def.type === 'positional') places += 1;
    else
      for (const each of [key, ...[(def as { alias?: string | string[] }).alias ?? []].flat()])
        options.set(each, def);
  }
  const words: string[] = [];
  for (let index = 0; index < rawArgs.length; index += 1) {
    const word = rawArgs[index] ?? '';
    if (word === '--') {
      words.push(...rawArgs.slice(index + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      words.push(word);
      continue;
    }
    const [flag = '', value] = word.replace(/^--?/, '').split(/=(.*)/s);
    const def = options.get(flag) ?? options.get(flag.replace(/^no-/, ''));
    if (!def) throw unknownOption(name, word, [...options.keys()]);
    const takesValue = def.type === 'string' || def.type === 'enum';
    if (!takesValue || value !== undefined) continue;
    index += 1;
    if (rawArgs[index] === undefined)
      throw new DriverError('USAGE', `--${flag} needs a value`, { remedy: `see linstor_un ${name} --help` });
  }
  if (words.length > places) {
    throw new DriverError('USAGE', `linstor_un ${name}: unexpected argument “${words[places]}”`, {
      remedy: `see linstor_un ${name} --help`,
    });
  }
}

function unknownOption(name: string, word: string, known: readonly string[]): DriverError {
  const meant = suggest(
    word.replace(/^-+/, '').replace(/=.*/, ''),
    known.filter((item) => item.length > 1),
  );
  return new DriverError('USAGE', `linstor_un ${name}: unknown option ${word}`, {
    remedy: meant ? `did you mean --${meant}?` : `see linstor_un ${name} --help`,
  });
}

/** A whole number of at least 0. Throws USAGE. */
export function wholeNumber(what: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new DriverError('USAGE', `${what}: “${text}” is not a whole number`);
}
