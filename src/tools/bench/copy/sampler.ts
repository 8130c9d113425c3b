import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Peaks {
  /** MiB of all processes on this side together, shared pages counted once. */
  readonly memory: number;
  /** MiB in the staging directory, files without a name included. */
  readonly staging: number;
}

const everyMs = 40;
const mib = 2 ** 20;

/** Looks at a process and its descendants until it ends. What lives shorter than an interval is missed. */
export async function watchPeaks(child: Bun.Subprocess, stagingDir: string): Promise<Peaks> {
  const peaks = { memory: 0, staging: 0 };
  while (child.exitCode === null && child.signalCode === null) {
    const pids = familyOf(child.pid);
    peaks.memory = Math.max(
      peaks.memory,
      pids.reduce((sum, pid) => sum + memoryOf(pid), 0),
    );
    peaks.staging = Math.max(peaks.staging, stagedBytes(stagingDir));
    await Promise.race([child.exited, Bun.sleep(everyMs)]);
  }
  return { memory: peaks.memory / mib, staging: peaks.staging / mib };
}

function processes(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

function familyOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of processes()) {
    const parent = Number(/^\d+ \(.*\) \S (\d+)/s.exec(text(`/proc/${pid}/stat`))?.[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const family = [root];
  for (const pid of family) family.push(...(children.get(pid) ?? []));
  return family;
}

const memoryOf = (pid: number): number =>
  Number(/^Pss:\s+(\d+) kB/m.exec(text(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;

/** Files below the directory, by name and through the descriptors of whoever has one open without a name. */
function stagedBytes(directory: string): number {
  const files = new Map<string, number>();
  const add = (path: string): void => {
    try {
      const { dev, ino, blocks, mode } = statSync(path);
      if ((mode & 0o170000) === 0o100000) files.set(`${dev}:${ino}`, blocks * 512);
    } catch {
      // Gone meanwhile.
    }
  };
  for (const path of list(directory, true)) add(path);
  for (const pid of processes()) {
    for (const path of list(`/proc/${pid}/fd`)) {
      try {
        if (readlinkSync(path).startsWith(`${directory}/`)) add(path);
      } catch {
        // Closed meanwhile.
      }
    }
  }
  return [...files.values()].reduce((sum, size) => sum + size, 0);
}

function list(directory: string, recursive = false): string[] {
  try {
    return readdirSync(directory, { recursive }).map((name) => join(directory, String(name)));
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
