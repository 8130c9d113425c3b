/** One measured value. */
export interface Row {
  /** Stable: results of different days are compared by it. */
  readonly name: string;
  readonly value: number;
  readonly unit: Unit;
  /** Against the reference of the same run that `to` names; absent where there is none. */
  readonly ratio?: number;
  readonly to?: string;
}

export type Unit = 'ms' | 's' | 'MiB' | 'calls' | 'resources' | 'exit code';

export interface Report {
  readonly machine: Machine;
  readonly rows: readonly Row[];
}

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly bun: string;
  /** Processes waiting for a CPU when the run began, averaged over a minute. */
  readonly load: number;
  /** When the run began. */
  readonly time: string;
  /** Of this driver: `git describe`, or the package's version outside of a checkout. */
  readonly version: string;
}

/** `value` against the reference's; only of rows in the same unit. */
export function against(row: Row, reference: Row): Row {
  if (row.unit !== reference.unit) throw new Error(`${row.name} and ${reference.name} have different units`);
  return reference.value === 0 ? row : { ...row, ratio: row.value / reference.value, to: reference.name };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  if (low === undefined || high === undefined) throw new Error('no values');
  return (low + high) / 2;
}
