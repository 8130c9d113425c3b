import { ourCandidates, reference } from './drivers.ts';
import type { Compared } from './report.ts';
import { against, type Row } from './row.ts';

/** `actions: tm/clone, by snapshot (rest), ssh sessions` in its parts. */
export interface CaseRow {
  readonly group: string;
  readonly title: string;
  /** Of the candidate. */
  readonly label: string;
  readonly aspect: string;
  readonly row: Compared;
}

export function caseRow(row: Compared): CaseRow | undefined {
  const [, group, title, label, aspect = ''] =
    /^(actions|scale): (.+) \(([^()]+)\)(?:, (.+))?$/.exec(row.name) ?? [];
  return group === undefined || title === undefined || label === undefined
    ? undefined
    : { group, title, label, aspect, row };
}

/** One line for a case, one column for each candidate. */
export function sideBySide(rows: readonly CaseRow[]): string[] {
  const labels = [...new Set(rows.map(({ label }) => label))];
  const cases = Map.groupBy(rows, ({ title }) => title);
  const table = [...cases].map(([title, list]) => [
    title,
    ...labels.map((label) => cell(list.filter((each) => each.label === label))),
  ]);
  const lines = [[rows[0]?.group ?? '', ...labels], ...table];
  const widths = ['', ...labels].map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines.map((line) =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** What the figures in a cell are. */
export const legend = `ms, × of ${reference}, LINSTOR calls (satellite passes) + ssh sessions, seconds as weighted by real DRBD, CPU ms, MiB of the largest process`;

function cell(rows: readonly CaseRow[]): string {
  const of = (aspect: string): Compared | undefined => rows.find((each) => each.aspect === aspect)?.row;
  const main = of('');
  if (main === undefined) return '–';
  const result = of('result') ?? of('failed');
  const [linstor, passes, ssh, weighted] = [
    of('LINSTOR calls'),
    of('satellite passes'),
    of('ssh sessions'),
    of('weighted'),
  ];
  const [cpu, memory] = [of('CPU'), of('memory')];
  return [
    String(Math.round(main.value)).padStart(6),
    main.ratio === undefined ? '' : `${main.ratio.toFixed(1)}×`,
    linstor ? `${linstor.value}${passes ? `(${passes.value})` : ''}${ssh ? `+${ssh.value}` : ''}` : '',
    weighted ? `~${Math.round(weighted.value)}s` : '',
    cpu ? `${Math.round(cpu.value)}ms` : '',
    memory ? `${Math.round(memory.value)}M` : '',
    main.earlier ? `(earlier ${Math.round(main.earlier.value)}: ${main.earlier.ratio.toFixed(2)}×)` : '',
    result ? (result.unit === 'exit code' ? `exit ${result.value}` : `${result.value} failed`) : '',
  ]
    .filter(Boolean)
    .join(' ');
}

/** Every other candidate against the reference in the same case; only what was measured of calls that succeeded. */
export function withReference(rows: readonly Row[]): Row[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  return rows.map((row) => {
    const parts = caseRow(row);
    if (parts === undefined || parts.label === reference || row.unit === 'exit code') return row;
    const name = (label: string, aspect: string): string =>
      `${parts.group}: ${parts.title} (${label})${aspect === '' ? '' : `, ${aspect}`}`;
    const other = byName.get(name(reference, parts.aspect));
    const failed = ['result', 'failed'].some((aspect) => byName.has(name(parts.label, aspect)));
    return failed || other?.unit !== row.unit ? row : against(row, other);
  });
}

export const oursFailed = (rows: readonly Row[]): boolean =>
  rows.some((row) => {
    const parts = caseRow(row);
    return (
      parts !== undefined &&
      ourCandidates.some(({ label }) => label === parts.label) &&
      (parts.aspect === 'result' || parts.aspect === 'failed')
    );
  });
