import type { Case } from './cases.ts';
import { danglingLink, difference, type Observation } from './observe.ts';
import type { Attempt } from './run-action.ts';
import type { Scenario } from './scenarios.ts';

export type Verdict = 'survived' | 'lost' | 'leaked';

export interface Finding {
  readonly verdict: Exclude<Verdict, 'survived'>;
  readonly what: string;
}

/** Data of things that were there before: all that is never allowed, whatever happened. */
export function losses(
  scenario: Scenario,
  before: Observation,
  golden: Observation,
  now: Observation,
): Finding[] {
  const found: Finding[] = [];
  const lost = (what: string): number => found.push({ verdict: 'lost', what });
  for (const [name, content] of Object.entries(before.content)) {
    const is = now.content[name];
    if (is === undefined) {
      if (!scenario.takes?.test(name)) lost(`${name} is gone`);
    } else if (is !== content && !(scenario.changes?.test(name) && is === golden.content[name])) {
      if (!scenario.takes?.test(name)) lost(`content of ${name} is ${is}, was ${content}`);
    }
  }
  for (const name of Object.keys(before.snapshots)) {
    if (!(name in now.snapshots) && !scenario.takes?.test(name)) lost(`snapshot ${name} is gone`);
  }
  const domains = Object.entries(now.domains ?? {});
  for (const [domain, state] of domains) if (/frozen|paused/.test(state)) lost(`${domain} is ${state}`);
  const { together } = scenario;
  if (together && domains.every(([, state]) => state !== 'off')) {
    const all = Object.keys(before.content).filter((name) => together.test(name));
    const holds = (of: Observation): boolean => all.every((name) => now.content[name] === of.content[name]);
    if (!holds(before) && !holds(golden)) lost(`only some of ${all.join(', ')} have changed`);
  }
  for (const [name, content] of Object.entries(now.content)) {
    if (content.startsWith('differs')) lost(`replicas of ${name} disagree`);
  }
  return found;
}

/** What a failed action has left and not taken back. */
export function leftovers(before: Observation, now: Observation): Finding[] {
  const found: Finding[] = [];
  const leaked = (what: string): number => found.push({ verdict: 'leaked', what });
  // A link that leads to its volume is not a leftover: it is replaced by the retry, taken away by delete, and never trusted.
  for (const [path, what] of Object.entries(now.links)) {
    if (before.links[path] === undefined && what === danglingLink) leaked(`${path}: ${what}`);
  }
  for (const part of ['resources', 'snapshots', 'attached'] as const) {
    for (const [key, value] of Object.entries(now[part])) {
      const was = before[part][key];
      if (was === undefined) leaked(`${part} ${key}: ${value}`);
      else if (part === 'attached' && was !== value) leaked(`${key} is attached on ${value}, was on ${was}`);
    }
  }
  for (const name of now.dualPrimary) {
    if (!before.dualPrimary.includes(name)) leaked(`two primaries are allowed on ${name}`);
  }
  for (const [domain, state] of Object.entries(now.domains ?? {}))
    if (before.domains?.[domain] !== state) leaked(`${domain} is ${state}`);
  if (now.temporary.length > before.temporary.length) leaked(`temporary files ${now.temporary.join()}`);
  return found;
}

/** A success has to be one. */
export function untrue(
  golden: { readonly observation: Observation; readonly reply: string },
  now: Observation,
  attempt: Attempt,
): Finding[] {
  const found: Finding[] = difference(golden.observation, now).map((line) => ({
    verdict: line.startsWith('content') ? ('lost' as const) : ('leaked' as const),
    what: `reported success, but ${line}`,
  }));
  if (plainReply(attempt.reply) !== plainReply(golden.reply))
    found.push({ verdict: 'lost', what: `replied “${attempt.reply}” instead of “${golden.reply}”` });
  return found;
}

/** Free space moves with everything that happens in a pool. */
const plainReply = (reply: string): string => reply.replaceAll(/\d{3,}/g, '#');

/** One line that says what failed, with a code and what to do (contract §1.5). */
export function badMessage({ stderr, exitCode }: Attempt): Finding[] {
  const bad = (what: string): Finding[] => [{ verdict: 'leaked', what: `${what}: ${stderr.slice(-600)}` }];
  const errors = stderr.split('\n').filter((line) => /\[[A-Z_]+\]\s*$/.test(line));
  if (errors.length !== 1) return bad(`${errors.length} error lines with exit code ${exitCode}`);
  if (/\[INTERNAL\]/.test(stderr)) return bad('an INTERNAL error');
  return [];
}

/** What is so by design, each with its reason. */
const excuses: readonly { call: RegExp; fault: RegExp; finding: RegExp; why: string }[] = [
  {
    call: /^ssh /,
    fault: /^refused/,
    finding: /but links node\d:\d+\/\d+\/disk\.\d+: link to/,
    why: 'a host that cannot be reached does not keep a VM from being cleaned up (contract §3.4)',
  },
  {
    call: /^ssh /,
    fault: /./,
    finding: /but links node\d:\d+\/\d+\/backup/,
    why: 'postbackup never fails, or a backup that is stored would be forgotten; the next one, or the end of the VM, removes the files (backup contract B3)',
  },
  {
    call: /DELETE .*\/resources\//,
    fault: /^code 997/,
    finding: /but (?:attached|resources) one-image-1/,
    why: 'a device that is still open is never taken away; the next deployment or gc finds it',
  },
  {
    call: /PUT .*\/volume-definitions\/0/,
    fault: /^satellite fails/,
    finding: /after the retry: .*resources one-vm-0-disk-0/,
    why: 'LINSTOR calls the size of a half-done resize “no change”, so the repeated one goes a step beyond it (linstor-behaviour §3.8)',
  },
  {
    call: /./,
    fault: /^another takes over, having forgotten/,
    finding: /but (?:attached|resources) one-image-1: (?:node\d|.*"tieBreakers":0)/,
    why: 'that a disk was detached is forgotten: nothing is lost by it, the next use of the host takes it as it is, and gc removes it',
  },
  {
    call: /./,
    fault: /./,
    finding: /\.linstor_un-[0-9a-f-]+: file of 0/,
    why: 'an empty marker in the datastore directory is swept after an hour by the next call that sets one',
  },
];

export function excused(each: Case, finding: Finding): boolean {
  return excuses.some(
    (excuse) =>
      excuse.call.test(each.call) && excuse.fault.test(each.fault) && excuse.finding.test(finding.what),
  );
}
