import { DriverError } from '../errors.ts';
import { driverName } from '../opennebula/driver-name.ts';
import { executableOf, type OnedEdit, placerIn } from './oned-revert.ts';
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
import { addToList, listOf, type OptionName, positionals } from './option-list.ts';
import {
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
 * changes nothing. `more`: what was asked for beside. Throws BAD_CONFIG for a file that oned could not read or that lacks the driver processes.
 */
export function registerInOnedConf(
  text: string,
  more: readonly SingleRule[] = [],
  withPlacer = false,
): Edited {
  const draft = new Draft(text);
  for (const rule of lists) ensureListed(draft, rule);
  ensureLocalActions(draft);
  for (const rule of sections) ensureSection(draft, rule);
  for (const rule of [...singles, ...more]) ensureSingle(draft, rule);
  if (withPlacer) ensurePlacer(draft);
  return { text: draft.text, edits: draft.edits, kept: draft.kept, conflicts: draft.conflicts };
}

/** Ours hands on to the one that was there. */
function ensurePlacer(draft: Draft): void {
  const placer = placerIn(draft.entries);
  if (!placer)
    throw new DriverError(
      'BAD_CONFIG',
      'oned.conf has no SCHED_MAD section with a placer (-p) in its ARGUMENTS',
      {
        remedy:
          'the placer is for OpenNebula 7; before, LOCALITY and PREFER_NODE put a replica where the VM goes',
      },
    );
  if (placer.name === driverName) return;
  draft.change(placer.at, driverName, { kind: 'placer', before: placer.name });
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
          `VM_MAD "${name}" runs “${other}” for ${action}: left as it is, so VMs on linstor_un go to that script for it. To change it, put ${item} into the -l list of its ARGUMENTS`,
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
