import {
  attributeOf,
  type Entry,
  parseOnedConf,
  type Span,
  singlesOf,
  splice,
  type Vector,
  vectorsOf,
} from './oned-syntax.ts';
import { type OptionName, removeFromList } from './option-list.ts';
import { isOurs } from './registration.ts';

/** What was put into the file, so that it can be taken out of a file that was edited since. */
export type OnedEdit =
  | {
      readonly kind: 'list';
      readonly section: string;
      readonly key: string;
      readonly option: OptionName;
      readonly items: readonly string[];
      readonly created: string;
    }
  | { readonly kind: 'section'; readonly section: string; readonly inserted: string }
  | { readonly kind: 'attribute'; readonly section: string; readonly name: string; readonly inserted: string }
  /** The scheduler that places VMs, and the one before it. */
  | { readonly kind: 'placer'; readonly before: string }
  | { readonly kind: 'single'; readonly name: string; readonly value: string; readonly inserted: string };

/** Takes `edits` out of a text that may have been edited since, newest first; the rest stays as it is. */
export function revertInOnedConf(text: string, edits: readonly OnedEdit[]): string {
  return edits.toReversed().reduce(revert, text);
}

export function executableOf(section: Vector): string {
  return (attributeOf(section, 'EXECUTABLE')?.value.text ?? '').replace(/^.*\//, '');
}

function revert(text: string, edit: OnedEdit): string {
  const entries = parseOnedConf(text);
  switch (edit.kind) {
    case 'list':
      return revertList(text, entries, edit);
    case 'section':
      return vectorsOf(entries, edit.section)
        .filter(isOurs)
        .reduceRight((rest, section) => cut(rest, section, edit.inserted), text);
    case 'single': {
      const found = singlesOf(entries, edit.name).findLast((item) => item.value.text === edit.value);
      return found ? cut(text, found, edit.inserted) : text;
    }
    case 'attribute':
      return revertAttribute(text, entries, edit);
    case 'placer':
      return revertPlacer(text, entries, edit.before);
  }
}

function revertList(
  text: string,
  entries: readonly Entry[],
  edit: Extract<OnedEdit, { kind: 'list' }>,
): string {
  const section = vectorsOf(entries, edit.section).find(
    (item) => executableOf(item) === edit.key || attributeOf(item, 'NAME')?.value.text === edit.key,
  );
  const args = section && attributeOf(section, 'ARGUMENTS');
  if (!args) return text;
  const value = args.value.text;
  if (edit.created !== '' && value.endsWith(edit.created)) {
    return splice(text, args.value.inner, value.slice(0, -edit.created.length));
  }
  return splice(text, args.value.inner, removeFromList(value, edit.option, edit.items));
}

/** `-p NAME` or `--placer NAME` in the arguments of one_sched. */
const placerOption = /((?:^|\s)(?:-p|--placer)[ =]\s*)(\S+)/;

/** The placer that oned.conf names, and where; undefined before OpenNebula 7. */
export function placerIn(
  entries: readonly Entry[],
): { readonly name: string; readonly at: Span } | undefined {
  const section = vectorsOf(entries, 'SCHED_MAD')[0];
  const args = section && attributeOf(section, 'ARGUMENTS');
  const found = args && placerOption.exec(args.value.text);
  if (!args || !found) return undefined;
  const start = args.value.inner.start + found.index + (found[1]?.length ?? 0);
  const name = found[2] ?? '';
  return { name, at: { start, end: start + name.length } };
}

function revertPlacer(text: string, entries: readonly Entry[], before: string): string {
  const placer = placerIn(entries);
  return placer?.name === 'linstor_un' ? splice(text, placer.at, before) : text;
}

function revertAttribute(
  text: string,
  entries: readonly Entry[],
  edit: Extract<OnedEdit, { kind: 'attribute' }>,
): string {
  const section = vectorsOf(entries, edit.section).find(isOurs);
  const found = section && attributeOf(section, edit.name);
  if (!section || !found) return text;
  const exact = text.lastIndexOf(edit.inserted, found.start);
  if (exact >= section.open && exact + edit.inserted.length === found.end) {
    return splice(text, { start: exact, end: found.end }, '');
  }
  const before = /,\s*$/.exec(text.slice(section.open, found.start));
  const after = /^\s*,[ \t]*/.exec(text.slice(found.end, section.close));
  if (before) return splice(text, { start: found.start - before[0].length, end: found.end }, '');
  return splice(text, { start: found.start, end: found.end + (after?.[0].length ?? 0) }, '');
}

/** Cuts an entry with exactly the blank lines that came with it; when those were changed, with its own lines. */
function cut(text: string, entry: Span, inserted: string): string {
  for (let from = text.indexOf(inserted); from >= 0; from = text.indexOf(inserted, from + 1)) {
    const end = from + inserted.length;
    if (from <= entry.start && entry.end <= end) return splice(text, { start: from, end }, '');
  }
  const line = /^[ \t]*\r?\n/.exec(text.slice(entry.end));
  return splice(text, { start: entry.start, end: entry.end + (line?.[0].length ?? 0) }, '');
}
