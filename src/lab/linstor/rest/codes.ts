/**
 * LINSTOR return codes: a signed 64-bit number made of severity (bits 63–62), operation (25–24), object
 * (22–18) and code (14–0). Source: linstor-behaviour §2.2, checked against recorded answers.
 */
export type Severity = 'success' | 'info' | 'warning' | 'error';
export type Operation = 'create' | 'modify' | 'delete';
export type ObjectKind =
  | 'snapshot'
  | 'controller'
  | 'pool'
  | 'pool-definition'
  | 'interface'
  | 'volume'
  | 'volume-definition'
  | 'resource'
  | 'definition'
  | 'node'
  | 'key-value'
  | 'group'
  | 'volume-group';

const severityBits: Record<Severity, bigint> = { success: 0n, info: 1n, warning: 2n, error: 3n };
const operationBits: Record<Operation, bigint> = { create: 1n, modify: 2n, delete: 3n };
const objectBits: Record<ObjectKind, bigint> = {
  snapshot: 0xc0000n,
  controller: 0x100000n,
  pool: 0x140000n,
  'pool-definition': 0x180000n,
  interface: 0x1c0000n,
  volume: 0x2c0000n,
  'volume-definition': 0x300000n,
  resource: 0x340000n,
  definition: 0x380000n,
  node: 0x3c0000n,
  'key-value': 0x400000n,
  group: 0x440000n,
  'volume-group': 0x480000n,
};

/** Lookups that fail before a handler has begun carry neither operation nor object. */
export interface Scope {
  readonly operation?: Operation | undefined;
  readonly object?: ObjectKind | undefined;
}

export function retCode(severity: Severity, code: number, scope: Scope = {}): bigint {
  const operation = scope.operation ? operationBits[scope.operation] << 24n : 0n;
  const object = scope.object ? objectBits[scope.object] : 0n;
  return BigInt.asIntN(64, (severityBits[severity] << 62n) | operation | object | BigInt(code));
}

/** The one value that follows no layout: a body that cannot be parsed (linstor-behaviour §0.4). */
export const UNPARSABLE = -3458764513820540931n;

export const CREATED = 1;
export const DELETED = 2;
export const MODIFIED = 3;
