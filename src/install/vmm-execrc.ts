import { driverName } from '../opennebula/driver-name.ts';
import { lineEnding } from './oned-syntax.ts';

/**
 * LIVE_DISK_SNAPSHOTS of vmm_execrc: which pairs of VM driver and TM may snapshot a disk of a running VM. The file is
 * read by a shell; the last assignment that is no comment counts.
 */
export interface ExecrcEdit {
  readonly kind: 'pairs';
  readonly pairs: readonly string[];
  /** Text of the line when there was none. */
  readonly inserted: string;
}

interface Found {
  readonly items: readonly string[];
  /** Offset behind the last item, before a closing quote. */
  readonly start: number;
  readonly end: number;
  readonly quote: string;
}

const assignment = /^[ \t]*(?:export[ \t]+)?LIVE_DISK_SNAPSHOTS=(?:"([^"]*)"|'([^']*)'|([^\s"'#;]*))/gm;

function find(text: string): Found | undefined {
  const found = [...text.matchAll(assignment)].at(-1);
  if (!found) return undefined;
  const value = found[1] ?? found[2] ?? found[3] ?? '';
  const quote = found[1] !== undefined ? '"' : found[2] !== undefined ? "'" : '';
  const end = found.index + found[0].length - quote.length;
  return { items: value.split(/\s+/).filter((item) => item !== ''), start: end - value.length, end, quote };
}

/** The pairs that are in force; empty without the variable. */
export function liveSnapshotPairs(text: string): readonly string[] {
  return find(text)?.items ?? [];
}

/** The pairs that a kvm installation needs: one for each VM_MAD name. */
export function wantedPairs(vmMads: readonly string[]): string[] {
  const names = vmMads.length > 0 ? vmMads : ['kvm', 'qemu'];
  return names.map((name) => `${name}-${driverName}`);
}

export function registerInExecrc(
  text: string,
  pairs: readonly string[],
): { text: string; edits: ExecrcEdit[] } {
  const found = find(text);
  const missing = pairs.filter((pair) => !found?.items.includes(pair));
  if (missing.length === 0) return { text, edits: [] };
  const eol = lineEnding(text);
  if (!found) {
    const inserted = `${text === '' || text.endsWith('\n') ? '' : eol}LIVE_DISK_SNAPSHOTS="${missing.join(' ')}"${eol}`;
    return { text: text + inserted, edits: [{ kind: 'pairs', pairs: missing, inserted }] };
  }
  const value = text.slice(found.start, found.end);
  const separator = value === '' || /\s$/.test(value) ? '' : ' ';
  const added = `${value}${separator}${missing.join(' ')}`;
  // A bare word cannot hold a blank.
  const shown = found.quote === '' && added.includes(' ') ? `"${added}"` : added;
  return {
    text: text.slice(0, found.start) + shown + text.slice(found.end),
    edits: [{ kind: 'pairs', pairs: missing, inserted: '' }],
  };
}

/** Takes our pairs out of a file that may have been edited since. */
export function revertInExecrc(text: string, edits: readonly ExecrcEdit[]): string {
  return edits.toReversed().reduce((current, edit) => {
    if (edit.inserted !== '' && current.includes(edit.inserted)) return current.replace(edit.inserted, '');
    const found = find(current);
    if (!found) return current;
    const value = edit.pairs.reduce(
      (rest, pair) => rest.replace(new RegExp(`(?:^|[ \\t]+)${pair}(?=\\s|$)`), ''),
      current.slice(found.start, found.end),
    );
    return current.slice(0, found.start) + value + current.slice(found.end);
  }, text);
}
