import type { Compared } from './report.ts';

/** `actions: tm/clone, by snapshot (rest), ssh sessions` in its parts. */
export interface ActionRow {
  readonly title: string;
  readonly label: string;
  readonly aspect: string;
  readonly row: Compared;
}

export function actionRow(row: Compared): ActionRow | undefined {
  const [, title, label, aspect = ''] = /^actions: (.+) \(([^()]+)\)(?:, (.+))?$/.exec(row.name) ?? [];
  return title === undefined || label === undefined ? undefined : { title, label, aspect, row };
}

/** One line for an action, one column for each driver. */
export function sideBySide(rows: readonly ActionRow[]): string[] {
  const labels = [...new Set(rows.map(({ label }) => label))];
  const cases = Map.groupBy(rows, ({ title }) => title);
  const table = [...cases].map(([title, list]) => [
    title,
    ...labels.map((label) => cell(list.filter((each) => each.label === label))),
  ]);
  const lines = [['', ...labels], ...table];
  const widths = ['', ...labels].map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return [
    'actions: ms, × of the first column, LINSTOR calls + ssh sessions, CPU ms, MiB of the largest process',
    ...lines.map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
  ];
}

function cell(rows: readonly ActionRow[]): string {
  const of = (aspect: string): Compared | undefined => rows.find((each) => each.aspect === aspect)?.row;
  const main = of('');
  if (main === undefined) return '–';
  const result = of('result') ?? of('failed');
  const [linstor, ssh, cpu, memory] = [of('LINSTOR calls'), of('ssh sessions'), of('CPU'), of('memory')];
  return [
    String(Math.round(main.value)).padStart(6),
    main.ratio === undefined ? '' : `${main.ratio.toFixed(1)}×`,
    linstor && ssh ? `${linstor.value}+${ssh.value}` : '',
    cpu ? `${Math.round(cpu.value)}ms` : '',
    memory ? `${Math.round(memory.value)}M` : '',
    main.earlier ? `(earlier ${Math.round(main.earlier.value)}: ${main.earlier.ratio.toFixed(2)}×)` : '',
    result ? (result.unit === 'exit code' ? `exit ${result.value}` : `${result.value} failed`) : '',
  ]
    .filter(Boolean)
    .join(' ');
}
