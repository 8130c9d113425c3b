import { errorCodes } from '../error-codes.ts';
import { DriverError } from '../errors.ts';
import { LogFollower } from '../log/follow-log.ts';
import { logPath } from '../log/json-log.ts';
import { type LogFilter, readLog } from '../log/read-log.ts';
import { type RunningAction, readRunning } from '../log/read-running.ts';
import type { ActionRecord, CallEntry } from '../log/record.ts';
import { wholeNumber } from './arguments.ts';
import { operatorCommand, printJson } from './command.ts';
import { type Paint, paintFor } from './paint.ts';
import { profileLines, profileOf } from './profile.ts';
import { runningLines, subjectText } from './running.ts';
import { cut, duration, pad, widthOf, wrapText } from './table.ts';
import { follow, sinceFrom } from './trace-follow.ts';

export const slowFrom = 2000;

export const trace = operatorCommand({
  name: 'trace',
  summary:
    'Actions of the driver on this front-end, oldest first, each with its calls to LINSTOR, hosts and OpenNebula.',
  args: {
    vm: { type: 'string', valueHint: 'ID', description: 'only actions for this VM' },
    image: { type: 'string', valueHint: 'ID', description: 'only actions for this image' },
    action: { type: 'string', valueHint: 'NAME', description: 'only this action: clone, tm/clone' },
    slow: {
      type: 'boolean',
      description: `actions of ${slowFrom / 1000} s and more, slowest first, and where the time went for each kind`,
    },
    'slower-than': {
      type: 'string',
      valueHint: 'MS',
      description: 'only actions that took at least MS milliseconds',
    },
    failed: { type: 'boolean', description: 'only actions that failed' },
    since: {
      type: 'string',
      valueHint: 'WHEN',
      description: 'only actions started since: 30m, 2h, 3d, or a time as 2026-11-30T14:00',
    },
    follow: {
      type: 'boolean',
      alias: 'f',
      description: 'then print new actions as they end, until Ctrl-C',
    },
    last: {
      type: 'string',
      valueHint: 'N',
      description: 'the newest N records; default 20, 0 for all; with --since all',
    },
    file: { type: 'string', valueHint: 'FILE', description: 'read this log file' },
    json: { type: 'boolean', description: 'one JSON document: the records' },
  },
  examples: [
    ['trace --vm 7', 'what was done for VM 7'],
    ['trace --failed --last 3', 'the last three failures'],
    ['trace --since 2h --follow', 'the last two hours, then new actions'],
    ['trace --slow', 'where the time is spent'],
  ],
  run: async (args, environment) => {
    const path = args.file ?? logPath(environment.env);
    if (!path) throw new DriverError('USAGE', 'there is no log: LINSTOR_UN_LOG is empty');
    if (args.follow && (args.json || args.slow))
      throw new DriverError('USAGE', `--follow and --${args.json ? 'json' : 'slow'} cannot be combined`);
    const vm = wholeNumber('--vm', args.vm);
    const image = wholeNumber('--image', args.image);
    const since = sinceFrom(args.since, environment.now().getTime());
    const last = wholeNumber('--last', args.last) ?? (since === undefined ? 20 : 0);
    const slowerThan =
      wholeNumber('--slower-than', args['slower-than']) ?? (args.slow ? slowFrom : undefined);
    const filter: LogFilter = {
      ...(vm === undefined ? {} : { vm }),
      ...(image === undefined ? {} : { image }),
      ...(args.action ? { action: args.action } : {}),
      ...(args.failed ? { failed: true } : {}),
      ...(since === undefined ? {} : { since }),
      ...(slowerThan === undefined ? {} : { slowerThan }),
      ...(last === 0 || args.slow ? {} : { last }),
    };
    const follower = args.follow ? new LogFollower(path) : undefined;
    const { records, unreadable } = readLog(path, filter);
    const shown = args.slow
      ? records.toSorted((a, b) => b.ms - a.ms).slice(0, last === 0 ? undefined : last)
      : records;
    const unfinished = args.slow ? [] : unfinishedOf(path, filter, records);
    if (args.json) printJson(environment, [...shown, ...unfinished]);
    else {
      const { columns, color } = environment.terminal;
      const paint = paintFor(color);
      if (shown.length > 0 || unfinished.length === 0)
        environment.terminal.out(renderTrace(shown, columns, paint));
      for (const action of unfinished)
        environment.terminal.out(
          `${shown.length > 0 || action !== unfinished[0] ? '\n' : ''}${runningLines(action, environment.now().getTime(), columns, paint).join('\n')}\n`,
        );
      // Of all that were slow, not only of those that are listed.
      if (args.slow && records.length > 0)
        environment.terminal.out(`\n${profileLines(records, columns).join('\n')}\n`);
    }
    if (unreadable > 0)
      environment.terminal.message('warn', `${unreadable} lines of ${path} are not records`);
    if (follower) await follow(follower, filter, environment, renderTrace);
    return 0;
  },
});

/** What has no record yet, or never will; a failure is what ended without a record, too. */
function unfinishedOf(path: string, filter: LogFilter, records: readonly ActionRecord[]): RunningAction[] {
  const ended = new Set(records.map(({ id }) => id));
  return readRunning(path, filter).filter(
    ({ id, result }) => !ended.has(id) && (!filter.failed || result === 'lost'),
  );
}

export function renderTrace(records: readonly ActionRecord[], width: number, paint: Paint): string {
  if (records.length === 0) return 'No matching actions in the log.\n';
  return `${records.map((record) => renderAction(record, width, paint).join('\n')).join('\n\n')}\n`;
}

function renderAction(record: ActionRecord, width: number, paint: Paint): string[] {
  const mark = record.result === 'ok' ? paint.good('ok    ') : paint.bad('failed');
  const time = record.time.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
  const head = `${time}  ${mark}  ${duration(record.ms).padStart(8)}  ${paint.strong(record.action)}`;
  const about = subjectText(record.object);
  const whole = `${head}  ${about}`;
  const lines = about === '' || widthOf(whole) <= width ? [whole.trimEnd()] : [head, `  ${about}`];
  // A single call has no summary to name the controller.
  const controller = record.calls.length > 1 ? controllerOf(record.calls) : undefined;
  lines.push(
    ...record.calls.map((call) =>
      renderCall(call, textOf(call, controller), { total: record.ms, width, paint }),
    ),
  );
  if (record.dropped) lines.push(paint.faint(`  … and ${record.dropped} more calls`));
  for (const note of record.notes) {
    if (note.level === 'debug') continue;
    const isBad = note.level === 'warn' || note.level === 'error';
    lines.push(...indent(note.text, width).map(isBad ? paint.warn : paint.faint));
  }
  if (record.calls.length > 1) lines.push(...indent(share(record), width).map(paint.faint));
  if (record.error) lines.push(...renderError(record.error, width, paint));
  return lines;
}

const rulerFor = (width: number): number => (width < 72 ? 8 : 16);

/** `at` is when the call ended: its bar stands where it ran within the action. */
function renderCall(
  call: CallEntry,
  what: string,
  { total, width, paint }: { total: number; width: number; paint: Paint },
): string {
  const ruler = rulerFor(width);
  const scale = ruler / Math.max(total, 1);
  const from = Math.min(ruler - 1, Math.max(0, Math.floor((call.at - call.ms) * scale)));
  const length = Math.max(1, Math.min(ruler - from, Math.round(call.ms * scale)));
  const line = `${'·'.repeat(from)}${'━'.repeat(length)}`.padEnd(ruler, '·');
  const left = `  ${paint.faint(line)} ${duration(call.ms).padStart(8)}  ${pad(call.kind, 7)}  `;
  const fine = /^(?:ok|2\d\d|exit 0)\b/.test(call.outcome);
  const outcome = cut(call.outcome, 24);
  const room = Math.max(8, width - 22 - ruler - outcome.length - 2);
  const text = `${cut(what, room)}  ${fine ? paint.faint(outcome) : paint.bad(outcome)}`;
  return left + text;
}

/** Where the time went, by kind of call. Kinds may run at once: the parts may be more than the whole. */
function share(record: ActionRecord): string {
  const { kinds, itself } = profileOf(record);
  const parts = [...kinds].map(([kind, { count, ms }]) => `${kind} ${count}× ${duration(ms)}`);
  const only = controllerOf(record.calls);
  return `${parts.join(', ')}, driver ${duration(itself)}, total ${duration(record.ms)}${only === undefined ? '' : `; ${only}`}`;
}

/** The controller, if only one was asked: it is named once and not in every line. */
function controllerOf(calls: readonly CallEntry[]): string | undefined {
  const [first, ...others] = new Set(
    calls.filter(({ kind }) => kind === 'linstor').map(({ target }) => target),
  );
  return others.length === 0 ? first : undefined;
}

/** What was called. `/v1` says nothing, and lines are short. */
function textOf({ kind, verb, target }: CallEntry, controller: string | undefined): string {
  const where = kind === 'linstor' && target === controller ? '' : target;
  return `${kind === 'linstor' ? verb.replace(' /v1/', ' /') : verb} ${where}`.trim();
}

function renderError(error: NonNullable<ActionRecord['error']>, width: number, paint: Paint): string[] {
  const lines = indent(`${error.message} [${error.code}]`, width).map(paint.bad);
  for (const detail of error.details) lines.push(...indent(detail, width));
  if (error.reports.length > 0) lines.push(...indent(`error reports: ${error.reports.join(', ')}`, width));
  const remedy = error.remedy ?? remedyOf(error.code);
  if (remedy !== undefined) lines.push(`  → ${remedy}`);
  return lines;
}

/** Records of older versions have no remedy of their own. */
function remedyOf(code: string): string | undefined {
  return Object.entries(errorCodes).find(([name]) => name === code)?.[1].remedy;
}

function indent(text: string, width: number): string[] {
  return wrapText(text, width - 2).map((line) => `  ${line}`);
}
