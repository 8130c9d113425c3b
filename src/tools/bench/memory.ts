import { readdirSync, readFileSync } from 'node:fs';

const everyMs = 300;

/** Watches the memory of all processes that descend from this one, itself left out, until it is stopped: the most that it saw, in MiB. */
export function watchDescendants(): { stop(): Promise<number> } {
  const state = { most: 0, over: false };
  const watching = (async () => {
    while (!state.over) {
      const now = descendantsOf(process.pid).reduce((sum, pid) => sum + sharesOf(pid), 0);
      state.most = Math.max(state.most, now);
      await Bun.sleep(everyMs);
    }
  })();
  return {
    stop: async () => {
      state.over = true;
      await watching;
      return state.most / 1024;
    },
  };
}

function descendantsOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of readdirSync('/proc').map(Number)) {
    if (!(pid > 0)) continue;
    // The name in brackets may hold anything; the parent is the second word after it (proc(5)).
    const stat = textOf(`/proc/${pid}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [...(children.get(root) ?? [])];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** KiB, pages that several share counted once between them. */
const sharesOf = (pid: number): number =>
  Number(/^Pss:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has ended meanwhile.
    return '';
  }
}
