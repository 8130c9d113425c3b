import { type Attributes, OneRefusal } from '../model.ts';

/** `NAME = "value"` lines of a template file; sections in brackets are not what a datastore has. */
export function parseTemplate(text: string): Attributes {
  const attributes: Attributes = {};
  for (const [index, line] of text.split('\n').entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const [, name, quoted, bare] = /^([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|([^"[\]]*?))\s*$/.exec(trimmed) ?? [];
    const value = quoted ?? bare;
    if (name === undefined || value === undefined)
      throw new OneRefusal(`line ${index + 1} is not NAME = value: ${trimmed}`);
    attributes[name.toUpperCase()] = value;
  }
  return attributes;
}
