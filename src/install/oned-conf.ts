import { DriverError } from '../errors.ts';
import {
  type Assignment,
  attributeOf,
  type Entry,
  lineEnding,
  parseOnedConf,
  type Span,
  singlesOf,
  splice,
  type Vector,
  vectorsOf,
} from './oned-syntax.ts';
import { addToList, listOf, type OptionName, positionals, removeFromList } from './option-list.ts';
import {
  driverName,
  isOurs,
  type ListRule,
  lists,
  localActions,
  localOption,
  type SectionRule,
  type SingleRule,
  sections,
  singles,
  vmmValueOptions,
} from './registration.ts';

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
  | { readonly kind: 'single'; readonly name: string; readonly value: string; readonly inserted: string };

export interface Edited {
  readonly text: string;
  readonly edits: readonly OnedEdit[];
  /** What was found and left as it is, for the operator. */
  readonly kept: readonly string[];
  /** What could not be done and has to be decided by a person. */
  readonly conflicts: readonly string[];
}

/** A file on its way: the text so far and what has been noted. */
class Draft {
  text: string;
  entries: readonly Entry[];
  readonly edits: OnedEdit[] = [];
  readonly kept: string[] = [];
  readonly conflicts: string[] = [];

  constructor(text: string) {
    this.text = text;
    this.entries = parseOnedConf(text);
  }

  change(at: Span, replacement: string, edit: OnedEdit): void {
    this.text = splice(this.text, at, replacement);
    this.entries = parseOnedConf(this.text);
    this.edits.push(edit);
  }
}

/**
 * The file with the driver registered. What is there already is left alone, whatever its layout; a second run
 * changes nothing. Throws BAD_CONFIG for a file that oned could not read or that lacks the driver processes.
 */
export function registerInOnedConf(text: string): Edited {
  const draft = new Draft(text);
  for (const rule of lists) ensureListed(draft, rule);
  ensureLocalActions(draft);
  for (const rule of sections) ensureSection(draft, rule);
  for (const rule of singles) ensureSingle(draft, rule);
  return { text: draft.text, edits: draft.edits, kept: draft.kept, conflicts: draft.conflicts };
}

/** Takes `edits` out of a text that may have been edited since, newest first; the rest stays as it is. */
export function revertInOnedConf(text: string, edits: readonly OnedEdit[]): string {
  return edits.toReversed().reduce(revert, text);
}

function executableOf(section: Vector): string {
  return (attributeOf(section, 'EXECUTABLE')?.value.text ?? '').replace(/^.*\//, '');
}

function ensureListed(draft: Draft, rule: ListRule): void {
  const section = vectorsOf(draft.entries, rule.section).find(
    (item) => executableOf(item) === rule.executable,
  );
  const args = section && attributeOf(section, 'ARGUMENTS');
  if (!args) {
    throw new DriverError(
      'BAD_CONFIG',
      `oned.conf has no ${rule.section} section with EXECUTABLE = "${rule.executable}" and ARGUMENTS`,
      {
        remedy: `restore the ${rule.section} section of OpenNebula's own oned.conf, then run the installation again`,
      },
    );
  }
  const list = listOf(args.value.text, rule.option);
  if (list?.includes(driverName) || (!list && rule.absentMeans === 'all')) return;
  if (!list) {
    throw new DriverError('BAD_CONFIG', `ARGUMENTS of ${rule.section} have no ${rule.option.short} list`, {
      remedy: `add ${rule.option.short} with the system datastore drivers in use to ARGUMENTS of ${rule.section}, then run the installation again`,
    });
  }
  addItems(draft, rule.section, rule.executable, args, rule.option, [driverName]);
}

function addItems(
  draft: Draft,
  section: string,
  key: string,
  args: Assignment,
  option: OptionName,
  items: readonly string[],
): void {
  const next = addToList(args.value.text, option, items);
  const created = listOf(args.value.text, option) ? '' : next.slice(args.value.text.length);
  const quoted = args.value.outer.start < args.value.inner.start;
  draft.change(args.value.inner, quoted ? next : `"${next}"`, {
    kind: 'list',
    section,
    key,
    option,
    items,
    created,
  });
}

/** one_vmm_exec for kvm, whatever the VM_MAD is called (kvm and qemu are the stock names). */
export function kvmDrivers(entries: readonly Entry[]): { name: string; args: Assignment }[] {
  return vectorsOf(entries, 'VM_MAD').flatMap((section) => {
    const args = attributeOf(section, 'ARGUMENTS');
    const name = attributeOf(section, 'NAME')?.value.text;
    if (!args || !name || executableOf(section) !== 'one_vmm_exec') return [];
    return positionals(args.value.text, vmmValueOptions)[0] === 'kvm' ? [{ name, args }] : [];
  });
}

function ensureLocalActions(draft: Draft): void {
  for (const { name } of kvmDrivers(draft.entries)) {
    const args = kvmDrivers(draft.entries).find((item) => item.name === name)?.args as Assignment;
    const present = listOf(args.value.text, localOption) ?? [];
    const wanted: string[] = [];
    for (const [action, script] of Object.entries(localActions)) {
      const item = `${action}=${script}`;
      const other = present.find((each) => each === action || each.startsWith(`${action}=`));
      if (!other) wanted.push(item);
      else if (other !== item) {
        draft.conflicts.push(
          `VM_MAD "${name}" runs “${other}” for ${action}: left as it is, so checkpoints of VMs on linstor_un are made by that script. To change it, put ${item} into the -l list of its ARGUMENTS`,
        );
      }
    }
    if (wanted.length > 0) addItems(draft, 'VM_MAD', name, args, localOption, wanted);
  }
}

function ensureSection(draft: Draft, rule: SectionRule): void {
  const existing = vectorsOf(draft.entries, rule.name).filter(isOurs)[0];
  if (!existing) {
    const at = behindLast(draft, vectorsOf(draft.entries, rule.name));
    const eol = lineEnding(draft.text);
    const inserted = block(draft.text, at, `${eol}${rule.text.replaceAll('\n', eol)}`);
    draft.change({ start: at, end: at }, inserted, { kind: 'section', section: rule.name, inserted });
    return;
  }
  for (const [name, value] of rule.values) {
    const found = attributeOf(existing, name);
    if (found && found.value.text.toUpperCase() !== value.toUpperCase()) {
      draft.kept.push(`${rule.name} ${name} = "${found.value.text}" (a new installation has "${value}")`);
    } else if (!found && !rule.onlyWhenNew.includes(name)) addAttribute(draft, rule.name, name, value);
  }
}

function addAttribute(draft: Draft, section: string, name: string, value: string): void {
  const ours = vectorsOf(draft.entries, section).find(isOurs) as Vector;
  const last = ours.attributes.at(-1) as Assignment;
  const inserted = `, ${name} = "${value}"`;
  draft.change({ start: last.end, end: last.end }, inserted, { kind: 'attribute', section, name, inserted });
}

function ensureSingle(draft: Draft, rule: SingleRule): void {
  const all = singlesOf(draft.entries, rule.name);
  if (all.some((item) => item.value.text === rule.value)) return;
  const last = all.at(-1);
  const assign = last ? draft.text.slice(last.nameSpan.end, last.value.outer.start) : ' = ';
  const at = behindLast(draft, all);
  const inserted = block(draft.text, at, `${rule.name}${assign}"${rule.value}"`);
  draft.change({ start: at, end: at }, inserted, {
    kind: 'single',
    name: rule.name,
    value: rule.value,
    inserted,
  });
}

/** End of the line on which the last of `entries` ends (a comment may follow it there), or of the file. */
function behindLast(draft: Draft, entries: readonly Entry[]): number {
  const last = entries.at(-1);
  if (!last) return draft.text.length;
  const rest = /^[ \t]*(?:#[^\n]*?)?(?=\r?\n|$)/.exec(draft.text.slice(last.end));
  return rest ? last.end + rest[0].length : last.end;
}

/** Whole lines, put behind offset `at`: at the very end of a file its last line end is kept the last one. */
function block(text: string, at: number, lines: string): string {
  const eol = lineEnding(text);
  const atEnd = at === text.length;
  if (atEnd && (text === '' || text.endsWith('\n'))) return `${lines}${eol}`;
  return `${eol}${lines}`;
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
