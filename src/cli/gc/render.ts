import { bytes, humanSize } from '../../units.ts';
import type { Paint } from '../paint.ts';
import { table, wrapText } from '../table.ts';
import { commandFor, type Leftover } from './leftovers.ts';

/** One removal; with `error` it was left. */
export interface Result {
  readonly kind: Leftover['kind'];
  readonly resource: string;
  readonly snapshot?: string;
  readonly node?: string;
  readonly error?: string;
}

type Named = Omit<Result, 'error'>;

function nameOf({ kind, resource, snapshot, node }: Named): string {
  // The disk itself is a running VM's, and stays.
  if (kind === 'window') return `permission for two primaries of ${resource}`;
  if (kind === 'kept') return `${resource}@${snapshot} in the pool of ${node}`;
  if (kind === 'lock') return `lock on ${resource}`;
  if (snapshot !== undefined) return `${resource}@${snapshot}`;
  return node === undefined ? resource : `${resource} on ${node}`;
}

export function renderLeftovers(
  leftovers: readonly Leftover[],
  width: number,
  paint: Paint,
  applied: boolean,
): string {
  if (leftovers.length === 0) return 'Nothing is left over.\n';
  const lines: string[] = [];
  const proven = leftovers.filter((item) => item.proof === 'proven');
  const deletingNow = leftovers.filter((item) => item.kind === 'deleting');
  const doubtful = leftovers.filter((item) => item.proof === 'unproven' && item.kind !== 'deleting');
  const columns = [
    { title: '', shrink: true },
    { title: '', align: 'right' },
    { title: '', shrink: true },
  ] as const;
  const size = (item: Leftover): string => (item.bytes > 0 ? humanSize(bytes(item.bytes)) : '');
  if (proven.length > 0) {
    const total = proven.reduce((sum, item) => sum + item.bytes, 0);
    lines.push(
      paint.strong(`Ours and unused: ${proven.length}${total > 0 ? `, ${humanSize(bytes(total))}` : ''}`),
    );
    lines.push(
      ...table(
        columns,
        proven.map((item) => [nameOf(item), size(item), item.why]),
        width - 2,
      ).map((line) => `  ${line}`),
    );
    if (!applied) lines.push('', '  linstor_un gc --apply removes these.');
    lines.push('');
  }
  if (doubtful.length > 0) {
    lines.push(paint.strong(`Probably leftovers: ${doubtful.length}. Look before you remove one:`));
    for (const item of doubtful) {
      lines.push(
        ...wrapText(
          `${nameOf(item)}${size(item) ? ` (${size(item)})` : ''}: ${item.why}; ${item.doubt}`,
          width - 4,
        ).map((line, index) => `${index === 0 ? '  ' : '    '}${line}`),
      );
      lines.push(`    ${paint.faint(commandFor(item))}`);
    }
    lines.push('');
  }
  if (deletingNow.length > 0) {
    lines.push(paint.strong(`Being deleted by LINSTOR: ${deletingNow.length}`));
    lines.push(...deletingNow.map((item) => `  ${nameOf(item)}: ${item.doubt}`), '');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

export function renderResults(results: readonly Result[]): string {
  if (results.length === 0) return '';
  return `\n${results.map((result) => `${result.error === undefined ? 'removed' : 'left   '}  ${nameOf(result)}${result.error === undefined ? '' : `: ${result.error}`}\n`).join('')}`;
}
