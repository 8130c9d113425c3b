/** Unified difference of two texts, as `diff -u` shows it; empty when they are equal. */
export function unifiedDiff(path: string, before: string, after: string, context = 3): string {
  if (before === after) return '';
  const changes = compare(lines(before), lines(after));
  const out = [`--- ${path}`, `+++ ${path}`];
  for (const hunk of hunksOf(changes, context)) out.push(...render(hunk));
  return `${out.join('\n')}\n`;
}

interface Change {
  readonly sign: ' ' | '-' | '+';
  readonly text: string;
  /** 0-based line numbers before this change. */
  readonly left: number;
  readonly right: number;
}

const noNewline = '\\ No newline at end of file';

/** Lines with a mark on the last one when it has no line end. */
function lines(text: string): string[] {
  if (text === '') return [];
  const parts = text.split('\n');
  const last = parts.pop() as string;
  if (last !== '') parts.push(`${last}\n${noNewline}`);
  return parts;
}

/** Myers' greedy algorithm: cheap when little differs, as here. */
function compare(a: readonly string[], b: readonly string[]): Change[] {
  const trace: Map<number, number>[] = [];
  let best = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= a.length + b.length; d += 1) {
    trace.push(best);
    const next = new Map(best);
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (best.get(k - 1) ?? -1) < (best.get(k + 1) ?? -1));
      let x = down ? (best.get(k + 1) ?? 0) : (best.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) return walk(a, b, trace, d, k);
    }
    best = next;
  }
  return [];
}

function walk(
  a: readonly string[],
  b: readonly string[],
  trace: readonly Map<number, number>[],
  distance: number,
  diagonal: number,
): Change[] {
  const changes: Change[] = [];
  let x = a.length;
  let k = diagonal;
  for (let d = distance; d > 0; d -= 1) {
    const best = trace[d] as Map<number, number>;
    const down = k === -d || (k !== d && (best.get(k - 1) ?? -1) < (best.get(k + 1) ?? -1));
    const previousK = down ? k + 1 : k - 1;
    const previousX = best.get(previousK) ?? 0;
    const startX = down ? previousX : previousX + 1;
    for (; x > startX; x -= 1)
      changes.push({ sign: ' ', text: a[x - 1] as string, left: x - 1, right: x - 1 - k });
    if (down) changes.push({ sign: '+', text: b[x - k - 1] as string, left: x, right: x - k - 1 });
    else changes.push({ sign: '-', text: a[x - 1] as string, left: x - 1, right: x - k });
    x = previousX;
    k = previousK;
  }
  for (; x > 0; x -= 1) changes.push({ sign: ' ', text: a[x - 1] as string, left: x - 1, right: x - 1 });
  return changes.reverse();
}

function hunksOf(changes: readonly Change[], context: number): Change[][] {
  const hunks: Change[][] = [];
  let until = -1;
  for (const [index, change] of changes.entries()) {
    if (change.sign === ' ') continue;
    const from = Math.max(index - context, 0);
    if (hunks.length === 0 || from > until) hunks.push(changes.slice(from, index));
    else (hunks.at(-1) as Change[]).push(...changes.slice(until, index));
    (hunks.at(-1) as Change[]).push(change);
    until = index + 1;
    // Trailing context is added with the next change or at the end.
    const next = changes.findIndex((item, at) => at > index && item.sign !== ' ');
    if (next < 0 || next - context > index + context) {
      (hunks.at(-1) as Change[]).push(
        ...changes.slice(until, Math.min(until + context, next < 0 ? changes.length : next)),
      );
      until = Math.min(until + context, changes.length);
    }
  }
  return hunks;
}

function render(hunk: readonly Change[]): string[] {
  const left = hunk.filter((change) => change.sign !== '+').length;
  const right = hunk.filter((change) => change.sign !== '-').length;
  const first = hunk[0] as Change;
  const range = (start: number, count: number): string =>
    `${count === 0 ? start : start + 1}${count === 1 ? '' : `,${count}`}`;
  return [
    `@@ -${range(first.left, left)} +${range(first.right, right)} @@`,
    ...hunk.map((change) => `${change.sign}${change.text}`),
  ];
}
