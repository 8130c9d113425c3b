import type { Span } from './oned-syntax.ts';
import { splice } from './oned-syntax.ts';

/**
 * The ARGUMENTS of a driver (`-t 15 -d dummy,fs -s shared,ssh`) and the comma lists in them. The drivers read them
 * with getopt: `-d a,b`, `-da,b`, `--tm-types a,b` and `--tm-types=a,b` are the same.
 */
export interface OptionName {
  readonly short: string;
  readonly long: string;
}

interface Word extends Span {
  readonly text: string;
}

function words(args: string): Word[] {
  return [...args.matchAll(/\S+/g)].map((found) => ({
    text: found[0],
    start: found.index,
    end: found.index + found[0].length,
  }));
}

interface Found {
  /** Of the list alone. */
  readonly list: Span;
  /** Of the option with its list. */
  readonly whole: Span;
}

function find(args: string, option: OptionName): Found | undefined {
  const all = words(args);
  for (const [index, word] of all.entries()) {
    const next = all[index + 1];
    if (word.text === option.short || word.text === option.long) {
      if (!next || next.text.startsWith('-'))
        return { list: { start: word.end, end: word.end }, whole: word };
      return { list: next, whole: { start: word.start, end: next.end } };
    }
    const glued = [`${option.long}=`, option.short].find(
      (prefix) => word.text.startsWith(prefix) && !(prefix === option.short && word.text.startsWith('--')),
    );
    if (glued) return { list: { start: word.start + glued.length, end: word.end }, whole: word };
  }
  return undefined;
}

/** Undefined when the option is not given. */
export function listOf(args: string, option: OptionName): string[] | undefined {
  const found = find(args, option);
  if (!found) return undefined;
  return args
    .slice(found.list.start, found.list.end)
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Adds at the end of the list; a missing option is added at the end of the arguments. */
export function addToList(args: string, option: OptionName, items: readonly string[]): string {
  const found = find(args, option);
  if (!found) return `${args.trimEnd()}${args.trim() === '' ? '' : ' '}${option.short} ${items.join(',')}`;
  const list = args.slice(found.list.start, found.list.end);
  if (list === '') return splice(args, found.whole, `${option.short} ${items.join(',')}`);
  const added = list.endsWith(',') ? `${items.join(',')},` : `,${items.join(',')}`;
  return splice(args, { start: found.list.end, end: found.list.end }, added);
}

/** Takes items out wherever they stand; an option whose list becomes empty goes, with the blank before it. */
export function removeFromList(args: string, option: OptionName, items: readonly string[]): string {
  const found = find(args, option);
  if (!found) return args;
  const list = args.slice(found.list.start, found.list.end);
  const parts = list.split(',');
  const kept = parts.filter((item) => !items.includes(item.trim()));
  if (kept.length === parts.length) return args;
  if (kept.some((item) => item.trim() !== '')) return splice(args, found.list, kept.join(','));
  const before = args.slice(0, found.whole.start);
  const after = args.slice(found.whole.end);
  return before.trimEnd() + (before.trim() === '' ? after.trimStart() : after);
}

/** The words that are neither options nor their values: the hypervisor of one_vmm_exec. */
export function positionals(args: string, withValue: readonly string[]): string[] {
  const result: string[] = [];
  let skipNext = false;
  for (const { text } of words(args)) {
    if (skipNext) skipNext = false;
    else if (withValue.includes(text)) skipNext = true;
    else if (!text.startsWith('-')) result.push(text);
  }
  return result;
}
