import type { ActionRecord, CallEntry } from '../../log/record.ts';
import { cut, duration } from '../table.ts';
import { html, type Markup } from './html.ts';

const width = 1000;
const chart = { left: 330, right: 870 } as const;
const row = 20;
const top = 26;
/** More rows than this help nobody: the longest are shown, in their order. */
const mostRows = 60;
const leastBar = 2;

/** `at` is when a call ended; what a damaged log says beyond the action's own time is cut off. */
export function span(call: Pick<CallEntry, 'at' | 'ms'>, total: number): { from: number; to: number } {
  const inside = (ms: number): number => Math.min(Math.max(0, ms), total);
  return { from: inside(call.at - Math.max(0, call.ms)), to: inside(call.at) };
}

/** Round numbers, at most six of them. */
export function ticks(total: number): number[] {
  const raw = Math.max(total, 1) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= raw) ?? 10);
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, index) => index * step);
}

const isFine = (outcome: string): boolean => /^(?:ok|2\d\d|exit 0)\b/.test(outcome);

/** One row for each call: what was called, a bar where it ran within the action, how long it took and what came back. */
export function timeline(record: ActionRecord): Markup {
  const total = Math.max(record.ms, 1);
  const x = (ms: number): number =>
    Math.round((chart.left + (ms / total) * (chart.right - chart.left)) * 10) / 10;
  const shown = rowsOf(record.calls);
  const left = record.calls.length - shown.length + (record.dropped ?? 0);
  const bottom = top + Math.max(shown.length, 1) * row;
  const height = bottom + (left > 0 ? row : 0) + 8;
  return html`<svg class="timeline" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${`timeline of ${record.action}: ${record.calls.length} calls in ${duration(record.ms)}`}">
${ticks(total).map(
  (ms) =>
    html`<line class="tick" x1="${x(ms)}" x2="${x(ms)}" y1="${top - 4}" y2="${bottom}"/><text class="axis" x="${x(ms)}" y="${top - 9}" text-anchor="middle">${duration(ms)}</text>`,
)}
${shown.map((call, index) => callRow(call, top + index * row, { x, total }))}
${record.notes
  .filter(({ level }) => level === 'warn' || level === 'error')
  .map(
    (note) =>
      html`<line class="note" x1="${x(Math.min(note.at, total))}" x2="${x(Math.min(note.at, total))}" y1="${top - 4}" y2="${bottom}"><title>${note.text}</title></line>`,
  )}
${left > 0 ? html`<text class="axis" x="8" y="${bottom + 14}">${`and ${left} more calls`}</text>` : undefined}
</svg>`;
}

function rowsOf(calls: readonly CallEntry[]): readonly CallEntry[] {
  if (calls.length <= mostRows) return calls;
  const longest = new Set([...calls].sort((a, b) => b.ms - a.ms).slice(0, mostRows));
  return calls.filter((call) => longest.has(call));
}

function callRow(call: CallEntry, y: number, scale: { x: (ms: number) => number; total: number }): Markup {
  const { from, to } = span(call, scale.total);
  const start = Math.min(scale.x(from), chart.right - leastBar);
  const length = Math.round(Math.max(leastBar, scale.x(to) - start) * 10) / 10;
  const what = `${call.kind} ${call.verb.replace(' /v1/', ' /')}`;
  const fine = isFine(call.outcome);
  const result = fine ? duration(call.ms) : `${duration(call.ms)} ${call.outcome}`;
  return html`<g class="call"><title>${`${call.kind} ${call.verb} at ${call.target}: ${call.outcome}, ${duration(call.ms)}`}</title>
<text class="what" x="8" y="${y + 14}">${cut(what, 46)}</text>
<rect class="${fine ? `bar ${call.kind}` : 'bar bad'}" x="${start}" y="${y + 4}" width="${length}" height="${row - 8}" rx="2"/>
<text class="${fine ? 'result' : 'result wrong'}" x="${chart.right + 8}" y="${y + 14}">${cut(result, 18)}</text></g>`;
}
