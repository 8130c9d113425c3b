/**
 * Configuration files as Python's `configparser` reads them, which LINBIT's client uses with its defaults: `=` and `:`, comments only on
 * lines of their own, values that go on on deeper lines, `[DEFAULT]`, `%(name)s`. What Python refuses is refused: the client would not
 * have gone on either.
 */

export type ConfigSections = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** Why Python would not take the file; `line` counts from 1. */
export class ConfigRefused extends Error {
  constructor(why: string, line?: number) {
    super(line === undefined ? why : `line ${line}: ${why}`);
  }
}

interface Option {
  readonly name: string;
  readonly lines: string[];
}

const deepest = 10;

/** Sections by name, `[DEFAULT]` merged into each of them and not one itself. @throws ConfigRefused */
export function parsePythonConfig(text: string): ConfigSections {
  const sections = new Map<string, Map<string, Option>>();
  const defaults = new Map<string, Option>();
  let current: Map<string, Option> | undefined;
  let option: Option | undefined;
  let indent = 0;
  let bad: ConfigRefused | undefined;
  for (const [index, line] of text.replaceAll(/\r\n?/g, '\n').split('\n').entries()) {
    const content = line.trim();
    if (content === '') {
      option?.lines.push('');
      continue;
    }
    if (content.startsWith('#') || content.startsWith(';')) continue;
    const depth = line.search(/\S/);
    if (option && depth > indent) {
      option.lines.push(content);
      continue;
    }
    indent = depth;
    // Greedy: to the last bracket, whatever stands behind it.
    const header = /^\[(.+)\]/.exec(content)?.[1];
    if (header !== undefined) {
      current = sectionOf(header, sections, defaults, index + 1);
      option = undefined;
      continue;
    }
    if (!current) throw new ConfigRefused('there is no section before it', index + 1);
    const pair = /^(.*?)\s*[=:]\s*(.*)$/.exec(content);
    const name = pair?.[1]?.trimEnd().toLowerCase();
    if (!name) {
      bad ??= new ConfigRefused('it is neither a section nor an option', index + 1);
      if (pair === null) continue;
    }
    option = addOption(current, name ?? '', pair?.[2] ?? '', index + 1);
  }
  if (bad) throw bad;
  return new Map([...sections].map(([name, own]) => [name, valuesOf(new Map([...defaults, ...own]))]));
}

function sectionOf(
  name: string,
  sections: Map<string, Map<string, Option>>,
  defaults: Map<string, Option>,
  line: number,
): Map<string, Option> {
  if (name === 'DEFAULT') return defaults;
  if (sections.has(name)) throw new ConfigRefused(`section ${name} is there twice`, line);
  const section = new Map<string, Option>();
  sections.set(name, section);
  return section;
}

function addOption(section: Map<string, Option>, name: string, value: string, line: number): Option {
  if (section.has(name)) throw new ConfigRefused(`option ${name} is there twice`, line);
  const option = { name, lines: [value.trim()] };
  section.set(name, option);
  return option;
}

function valuesOf(options: ReadonlyMap<string, Option>): Record<string, string> {
  const raw = new Map([...options].map(([name, { lines }]) => [name, lines.join('\n').trimEnd()]));
  return Object.fromEntries([...raw].map(([name, value]) => [name, interpolated(name, value, raw, 1)]));
}

/** `%%` is a percent sign, `%(name)s` another option of the section or of `[DEFAULT]`; anything else behind a percent sign is refused. */
function interpolated(name: string, value: string, all: ReadonlyMap<string, string>, depth: number): string {
  if (depth > deepest) throw new ConfigRefused(`option ${name} refers to itself`);
  return value.replaceAll(/%(?:(%)|\(([^)]+)\)s|)/g, (whole, percent?: string, key?: string) => {
    if (percent) return percent;
    const found = key === undefined ? undefined : all.get(key.toLowerCase());
    if (found === undefined) throw new ConfigRefused(`option ${name}: “${whole}” refers to nothing`);
    return interpolated(name, found, all, depth + 1);
  });
}
