import { Refusal } from '../rest/entry.ts';

/**
 * Names and their rules (linstor-behaviour §1.2). Names compare without case and display as first given.
 */
interface NameRule {
  readonly code: number;
  readonly min: number;
  readonly max: number;
  readonly message: (name: string) => string;
}

const rules = {
  definition: {
    code: 202,
    min: 2,
    max: 48,
    message: (n) => `The specified resource name '${n}' is invalid.`,
  },
  group: { code: 237, min: 2, max: 48, message: (n) => `The given resource group name '${n}' is invalid.` },
  snapshot: { code: 218, min: 2, max: 48, message: (n) => `The given snapshot name '${n}' is invalid.` },
  pool: { code: 208, min: 3, max: 48, message: (n) => `The given storage pool name '${n}' is invalid.` },
  kvs: { code: 223, min: 2, max: 48, message: (n) => `The given key value store name '${n}' is invalid.` },
} as const satisfies Record<string, NameRule>;

const reserved = ['all', 'proxy'];

function problemOf(name: string, rule: NameRule): string | undefined {
  const length = Buffer.byteLength(name);
  if (length < rule.min) return `Invalid name: Name length ${length} is less than minimum length ${rule.min}`;
  if (length > rule.max)
    return `Invalid name: Name length ${length} is greater than maximum length ${rule.max}`;
  const first = name[0] ?? '';
  if (!/[A-Za-z_]/.test(first)) return `Invalid name: Cannot begin with character '${first}'`;
  const wrong = [...name].find((character) => !/[A-Za-z0-9_-]/.test(character));
  if (wrong !== undefined) return `Invalid name: Cannot contain character '${wrong}'`;
  if (!/[A-Za-z]/.test(name)) return 'Invalid name: Name must contain at least one letter';
  return undefined;
}

/** Throws the refusal for a malformed name; `plain` where the call has no scope yet. */
export function checkName(kind: keyof typeof rules, name: string | null | undefined, plain = false): string {
  const rule: NameRule = rules[kind];
  if (name === null || name === undefined) {
    throw new Refusal(rule.code, rule.message('null'), {
      cause: 'Given name is null',
      report: !plain,
      plain,
    });
  }
  const cause =
    kind === 'definition' && reserved.includes(name.toLowerCase())
      ? `The specified name '${name}' cannot be used because it matches a keyword reserved for DRBD.`
      : problemOf(name, rule);
  if (cause !== undefined) {
    throw new Refusal(rule.code, rule.message(name), { ...(plain ? {} : { cause }), report: !plain, plain });
  }
  return name;
}

/** Names that are not the owner's own are only checked, never created: a malformed one is refused too. */
export const sameName = (a: string, b: string): boolean => a.toUpperCase() === b.toUpperCase();

export function byName<T>(list: readonly T[], nameOf: (item: T) => string): T[] {
  return [...list].sort((a, b) => {
    const [x, y] = [nameOf(a).toUpperCase(), nameOf(b).toUpperCase()];
    return x < y ? -1 : x > y ? 1 : 0;
  });
}

/** A node name: host name rules (2–255 bytes). */
export function checkNodeName(name: string): string {
  if (name.length < 2 || name.length > 255 || !/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(name)) {
    throw new Refusal(200, `The specified node name '${name}' is invalid.`, { report: true });
  }
  return name;
}
