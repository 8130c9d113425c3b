import { z } from 'zod';
import type { Machine, Report, Row } from './row.ts';
import { caseRow, legend, sideBySide } from './side-by-side.ts';

/** A row beside the one of the same name in an earlier report. */
export interface Compared extends Row {
  readonly earlier?: { readonly value: number; readonly ratio: number };
}

const rounded = (value: number): number => Number(value.toPrecision(4));

/** The JSON document; `ratio` is null where a row has no reference. */
export function toDocument(machine: Machine, rows: readonly Compared[]): unknown {
  return {
    machine,
    rows: rows.map(({ name, value, unit, ratio, to, earlier }) => ({
      name,
      value: rounded(value),
      unit,
      ratio: ratio === undefined ? null : rounded(ratio),
      ...(to === undefined ? {} : { to }),
      ...(earlier ? { earlier: { value: earlier.value, ratio: rounded(earlier.ratio) } } : {}),
    })),
  };
}

const earlierReport = z.object({
  machine: z.object({
    cpu: z.string(),
    cpus: z.number(),
    memoryMib: z.number(),
    kernel: z.string(),
    bun: z.string(),
    load: z.number(),
    time: z.string().optional(),
    version: z.string().optional(),
  }),
  rows: z.array(z.object({ name: z.string(), value: z.number(), unit: z.string() })),
});

export type Earlier = z.output<typeof earlierReport>;

/** A document of `--json` or `--save`; throws for anything else. */
export const readEarlier = (text: string): Earlier => earlierReport.parse(JSON.parse(text));

/** Puts earlier values beside the rows. Rows of another unit are not comparable. */
export function compare(rows: readonly Row[], earlier: Earlier): Compared[] {
  const known = new Map(earlier.rows.map((row) => [row.name, row]));
  return rows.map((row) => {
    const before = known.get(row.name);
    if (before?.unit !== row.unit || before.value === 0) return row;
    return { ...row, earlier: { value: before.value, ratio: row.value / before.value } };
  });
}

export interface Shown extends Report {
  readonly rows: readonly Compared[];
  readonly earlier?: Earlier;
}

export function toTable({ machine, rows, earlier }: Shown): string {
  const cases = rows.flatMap((row) => caseRow(row) ?? []);
  const rest = rows.filter((row) => caseRow(row) === undefined);
  const head = [described(machine), ...(earlier ? [`earlier: ${described(earlier.machine)}`] : [])];
  const tables = [...Map.groupBy(cases, ({ group }) => group).values()].map(sideBySide);
  const parts = [head, listed(rest), ...(tables.length > 0 ? [[legend], ...tables] : [])];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function described({ cpu, cpus, memoryMib, kernel, bun, load, time, version }: Described): string {
  const about = `${cpu}, ${cpus} CPUs, ${Math.round(memoryMib / 1024)} GiB, Linux ${kernel}, Bun ${bun}, load ${load}`;
  return [about, version, time].filter((part) => part !== undefined).join(', ');
}

type Described = Omit<Machine, 'time' | 'version'> & {
  readonly time?: string | undefined;
  readonly version?: string | undefined;
};

function listed(rows: readonly Compared[]): string[] {
  const groups = adjacent(rows);
  const width = Math.max(...groups.map(([first]) => first.name.length), 4);
  return groups.map(([first, ...rest]) => {
    const aspects = rest.map((row) => `${row.name.slice(first.name.length + 2)} ${figure(row).trim()}`);
    const remarks = [remark(first), ...aspects].filter(Boolean).join(', ');
    return `${first.name.padEnd(width)}  ${figure(first).padStart(16)}  ${remarks}`.trimEnd();
  });
}

/** `X, memory` goes onto the line of `X` when it follows. */
function adjacent(rows: readonly Compared[]): [Compared, ...Compared[]][] {
  const groups: [Compared, ...Compared[]][] = [];
  for (const row of rows) {
    const last = groups.at(-1);
    if (last && row.name.startsWith(`${last[0].name}, `)) last.push(row);
    else groups.push([row]);
  }
  return groups;
}

const figure = ({ value, unit }: Row): string =>
  unit === 'calls' ? shown(value) : `${shown(value)} ${unit.padEnd(5)}`;

const shown = (value: number): string =>
  Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);

function remark({ ratio, to, earlier }: Compared): string {
  const parts = [
    ratio === undefined ? '' : `${ratio.toFixed(2)} × ${to}`,
    earlier ? `${earlier.ratio.toFixed(2)} × earlier (${shown(earlier.value)})` : '',
  ];
  return parts.filter(Boolean).join(', ');
}
