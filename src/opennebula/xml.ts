import type { ErrorCode } from '../error-codes.ts';
import { DriverError } from '../errors.ts';

/**
 * OpenNebula's XML, read through a small typed reader. Its documents have elements and text (CDATA) only: no
 * attributes, no mixed content, never a DOCTYPE.
 */

export interface XmlOptions {
  /** For the error: `driver message`, `reply of one.vm.info`. */
  readonly what?: string;
  /** Longest text that is looked at, in characters. */
  readonly maxChars?: number;
  readonly code?: ErrorCode;
}

/** A VM document is a few KiB; a pool of ten thousand VMs some 100 MiB. */
export const documentLimit = 16 * 1024 * 1024;
export const poolLimit = 512 * 1024 * 1024;

type Node = string | { readonly [name: string]: Node | readonly Node[] };

/** Elements below one another: `TEMPLATE/DISK`. */
type Path = string;

export class XmlElement {
  readonly name: string;
  readonly #node: Node;

  constructor(name: string, node: Node) {
    this.name = name;
    this.#node = node;
  }

  /** Own text, to the last blank: a path may end in one. Empty for an element that holds elements. */
  get text(): string {
    if (typeof this.#node === 'string') return this.#node;
    return own(this.#node, '#text').map(String).join('');
  }

  /** True when nothing but text (or nothing at all) is inside. */
  get simple(): boolean {
    return typeof this.#node === 'string' || Object.keys(this.#node).every(isNoElement);
  }

  /** All elements at the path: one or several in the document, always a list here. */
  all(path: Path): XmlElement[] {
    const [first, rest] = split(path);
    const found = own(this.#node, first).map((node) => new XmlElement(first, node));
    return rest === undefined ? found : found.flatMap((element) => element.all(rest));
  }

  /** The first element at the path. */
  first(path: Path): XmlElement | undefined {
    return this.all(path)[0];
  }

  /** Text of the first element at the path; undefined when there is no such element, '' when it is empty. */
  value(path: Path): string | undefined {
    return this.first(path)?.text;
  }

  /** Child elements in the order in which their names first occur. */
  get children(): XmlElement[] {
    if (typeof this.#node === 'string') return [];
    const names = Object.keys(this.#node).filter((key) => !isNoElement(key));
    return names.flatMap((name) => this.all(name));
  }

  /**
   * Simple child elements as attributes with upper-case names. Of a repeated one the first counts, as in oned.
   */
  attributes(): Readonly<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const child of this.children) {
      const key = child.name.toUpperCase();
      if (child.simple && !Object.hasOwn(found, key)) found[key] = child.text;
    }
    return found;
  }

  /** The element as a document of its own. */
  serialize(): string {
    const children = this.children;
    const inside =
      children.length > 0 ? children.map((child) => child.serialize()).join('') : escapeXml(this.text);
    return `<${this.name}>${inside}</${this.name}>`;
  }
}

/** Parses a document whose root must be one of `roots`. Throws `options.code` (BAD_MESSAGE). */
export function parseXml(
  text: string,
  roots: string | readonly string[],
  options: XmlOptions = {},
): XmlElement {
  const { what = 'driver message', maxChars = documentLimit, code = 'BAD_MESSAGE' } = options;
  const fail = (reason: string): never => {
    throw new DriverError(code, `the ${what} is not readable XML: ${reason}`);
  };
  if (text.length > maxChars) fail(`longer than ${maxChars} characters`);
  // No entity but the five predefined ones may exist: nothing to expand, nothing to fetch.
  if (hasDoctype(text)) fail('it has a document type declaration, which OpenNebula never sends');
  let document: Record<string, Node>;
  try {
    document = parseBytes(text) as Record<string, Node>;
  } catch (error) {
    return fail(error instanceof Error ? error.message.replace(/^XML Parse error: /, '') : String(error));
  }
  const [name] = Object.keys(document);
  const allowed = typeof roots === 'string' ? [roots] : roots;
  if (name === undefined || !allowed.includes(name)) {
    return fail(`the root element is <${name}> and not ${allowed.map((root) => `<${root}>`).join(' or ')}`);
  }
  return new XmlElement(name, document[name] as Node);
}

/**
 * Names of files may hold bytes that are no UTF-8 (hosts/raw-text.ts). XML knows no such thing: they pass the parser as
 * characters that nobody uses, of the last private plane.
 */
function parseBytes(text: string): Node {
  if (text.isWellFormed()) return Bun.XML.parse(legalText(text)) as Node;
  const carried = text.replace(/[\udc80-\udcff]/gu, (each) =>
    String.fromCodePoint(carrier + each.charCodeAt(0)),
  );
  return released(Bun.XML.parse(legalText(carried)) as Node);
}

const carrier = 0x10_0000;

function released(node: Node | readonly Node[]): Node {
  if (typeof node === 'string')
    return node.replace(/[\u{10dc80}-\u{10dcff}]/gu, (each) =>
      String.fromCharCode((each.codePointAt(0) ?? 0) - carrier),
    );
  if (Array.isArray(node)) return node.map(released) as unknown as Node;
  return Object.fromEntries(Object.entries(node).map(([name, inside]) => [name, released(inside)]));
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/**
 * Drops what XML 1.0 forbids: control characters, lone surrogates, and references to such characters. Old VMs
 * carry them in user attributes (contract §8.2); they must not make a VM unreadable. CDATA keeps its text, where
 * `&#1;` is no reference.
 */
export function legalText(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  if (!suspicious.test(wellFormed)) return wellFormed;
  return wellFormed.replace(
    /<!\[CDATA\[[\s\S]*?\]\]>|&#(?:x([0-9a-fA-F]+)|([0-9]+));|[^<&]+|[<&]/g,
    (part, hex, decimal) => {
      if (hex === undefined && decimal === undefined) return part.replace(illegal, '');
      const point = hex === undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16);
      return isLegal(point) ? part : '';
    },
  );
}

const illegal = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
const suspicious = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|&#/;

function isLegal(point: number): boolean {
  if (point < 0x20) return point === 9 || point === 10 || point === 13;
  return point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff) && point !== 0xfffe && point !== 0xffff;
}

/** Only the prolog is looked at: `<!DOCTYPE` inside somebody's CDATA is text. Most documents have none. */
function hasDoctype(text: string): boolean {
  if (text.startsWith('<') && text[1] !== '!' && text[1] !== '?') return false;
  const skip = /[\s\ufeff]+|<\?[\s\S]*?\?>|<!--[\s\S]*?-->/y;
  let position = 0;
  while (true) {
    skip.lastIndex = position;
    if (!skip.test(text)) return /^<!doctype/i.test(text.slice(position, position + 9));
    position = skip.lastIndex;
  }
}

/** Attributes and text among the children of a node. */
const isNoElement = (key: string): boolean => key.startsWith('@') || key.startsWith('#');

function split(path: Path): [string, string | undefined] {
  const slash = path.indexOf('/');
  return slash < 0 ? [path, undefined] : [path.slice(0, slash), path.slice(slash + 1)];
}

/** One element is an object, several are an array: both are a list here. Own keys only (`<toString>`, `<__proto__>`). */
function own(node: Node, name: string): readonly Node[] {
  if (typeof node === 'string' || !Object.hasOwn(node, name)) return [];
  const value = node[name] as Node | readonly Node[];
  return Array.isArray(value) ? value : [value as Node];
}
