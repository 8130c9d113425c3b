import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { toDriverError } from '../../errors.ts';
import { actionLinks } from '../../install/launcher.ts';
import { type Layout, onDisk } from '../../install/layout.ts';
import { readManifest, sha256 } from '../../install/manifest.ts';
import { isHighAvailability } from '../../install/plan.ts';
import { findBashDriver, unknownFiles } from '../../install/takeover.ts';
import { logPath } from '../../log/json-log.ts';
import { parseConfig } from '../../opennebula/config-file.ts';
import type { FileFacts, IgnoredLine, Known, LinkFact } from './facts.ts';

/** Larger than any script: a copy of the program. */
const largeBytes = 1024 * 1024;

export function gatherFiles(layout: Layout, env: Readonly<Record<string, string | undefined>>): FileFacts {
  const links = actionLinks(layout);
  const manifest = attempt(() => readManifest(layout));
  const bash = attempt(() =>
    findBashDriver(
      layout,
      links.map((link) => link.path),
    ),
  );
  const unknown = attempt(() =>
    unknownFiles(
      layout,
      new Set([layout.launcher, ...links.map((link) => link.path), ...(bash.ok ? bash.value.files : [])]),
    ),
  );
  const binary = onDisk(layout, layout.binary);
  const version = manifest.ok ? manifest.value?.version : undefined;
  const onedConf = attempt(() => readFileSync(onDisk(layout, layout.onedConf), 'utf8'));
  const state = !existsSync(binary) ? 'missing' : executable(binary) ? 'ok' : 'not executable';
  return {
    onedConf,
    vmmExecrc: attempt(() => readFileSync(onDisk(layout, layout.vmmExecrc), 'utf8')),
    ...(version === undefined ? {} : { installedVersion: version }),
    binary: state,
    ...(state === 'ok' && onedConf.ok && isHighAvailability(onedConf.value)
      ? { binarySha256: sha256(readFileSync(binary)) }
      : {}),
    links: links.map((link) => linkFact(layout, link.path)),
    unknown: unknown.ok ? unknown.value : [],
    bashDriver: bash.ok && bash.value.present,
    config: configFacts(layout),
    log: logFacts(env),
    foreignUser: isForeignUser(layout),
    ...ownerFact(layout),
    restartPending: restartPending(layout),
    fenceScript: fenceScript(layout),
  };
}

function isForeignUser(layout: Layout): boolean {
  const owner = statSync(onDisk(layout, layout.remotes), { throwIfNoEntry: false })?.uid;
  return owner !== undefined && owner !== process.getuid?.();
}

function ownerFact(layout: Layout): { owner?: string } {
  const uid = statSync(onDisk(layout, layout.remotes), { throwIfNoEntry: false })?.uid;
  const name = attempt(() =>
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find((fields) => fields[2] === String(uid))
      ?.at(0),
  );
  return name.ok && name.value ? { owner: name.value } : {};
}

export function attempt<T>(work: () => T): Known<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, error: toDriverError(error) };
  }
}

function executable(path: string): boolean {
  return attempt(() => accessSync(path, constants.X_OK)).ok && statSync(path).isFile();
}

function linkFact(layout: Layout, path: string): LinkFact {
  const disk = onDisk(layout, path);
  const stat = lstatSync(disk, { throwIfNoEntry: false });
  if (!stat) return { path, state: 'missing' };
  const target = stat.isSymbolicLink() ? resolve(dirname(disk), readlinkSync(disk)) : disk;
  // An absolute link inside a mounted image leads out of it when followed from here.
  const real = existsSync(target)
    ? target
    : stat.isSymbolicLink()
      ? onDisk(layout, readlinkSync(disk))
      : target;
  if (!existsSync(real)) return { path, state: 'dangling' };
  const { size } = statSync(real);
  if (!executable(real)) return { path, state: 'not executable', bytes: size };
  if (size >= largeBytes) return { path, state: 'binary', bytes: size };
  return { path, state: target === onDisk(layout, layout.launcher) ? 'launcher' : 'foreign', bytes: size };
}

function configFacts(layout: Layout): Known<readonly IgnoredLine[]> {
  const disk = onDisk(layout, layout.config);
  return attempt(() => {
    if (!existsSync(disk)) return [];
    return parseConfig(readFileSync(disk, 'utf8'), layout.config, {}).ignored.map(
      ({ key, line, reason, meant }) => ({
        text: `line ${line}: ${key} – ${reason}`,
        ...(meant === undefined ? {} : { meant }),
      }),
    );
  });
}

/** Looks, and writes nothing. */
function logFacts(env: Readonly<Record<string, string | undefined>>): FileFacts['log'] {
  const path = logPath(env);
  if (!path) return {};
  const target = existsSync(path) ? path : dirname(path);
  const writable = attempt(() => accessSync(target, constants.W_OK));
  return {
    path,
    ...(writable.ok
      ? {}
      : { problem: existsSync(target) ? `${target} cannot be written` : `${target} does not exist` }),
  };
}

/** OpenNebula's own says so and ends, before anything else. */
function fenceScript(layout: Layout): FileFacts['fenceScript'] {
  const text = attempt(() =>
    readFileSync(onDisk(layout, `${layout.remotes}/hooks/ft/fence_host.sh`), 'utf8'),
  );
  if (!text.ok) return 'missing';
  return /^\s*echo\s.*Fence host not configured.*exit 1/m.test(text.value) ? 'stub' : 'own';
}

/** oned's process is older than the last change of oned.conf. Linux only; unknown counts as no. */
function restartPending(layout: Layout): boolean {
  const program = layout.oneLocation ? `${layout.oneLocation}/bin/oned` : '/usr/bin/oned';
  const pending = attempt(() => {
    const changed = statSync(onDisk(layout, layout.onedConf)).mtimeMs;
    const bootSeconds = Number(/^btime (\d+)/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
    return readdirSync('/proc').some((pid) => {
      const started = /^\d+$/.test(pid) ? startOfOned(pid, program, bootSeconds) : undefined;
      return started !== undefined && started < changed - 1000;
    });
  });
  return pending.ok && pending.value;
}

/** Epoch milliseconds; undefined for every other process, also for the oned of another installation. */
function startOfOned(pid: string, program: string, bootSeconds: number): number | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (!stat.ok || !stat.value.includes(' (oned) ')) return undefined;
  const file = attempt(() => readlinkSync(`/proc/${pid}/exe`));
  if (!file.ok || file.value.replace(/ \(deleted\)$/, '') !== program) return undefined;
  // Field 22, in 1/100 s since boot; counted from behind the command, which may hold blanks.
  const ticks = Number(stat.value.slice(stat.value.lastIndexOf(')') + 2).split(' ')[19]);
  return (bootSeconds + ticks / 100) * 1000;
}
