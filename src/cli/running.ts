import { logPath } from '../log/json-log.ts';
import type { LogFilter } from '../log/read-log.ts';
import { type RunningAction, readRunning } from '../log/read-running.ts';
import type { Subject } from '../log/subject.ts';
import type { Paint } from './paint.ts';
import { duration, wrapText } from './table.ts';

/** An action whose process is gone is news for a day. */
const newsMs = 24 * 3_600_000;

/** What runs on this front-end, and what ended there without a word. */
export function runningNow(
  env: Readonly<Record<string, string | undefined>>,
  now: number,
  filter: LogFilter = {},
): RunningAction[] {
  const path = logPath(env);
  if (path === undefined) return [];
  return readRunning(path, filter).filter(({ result, at }) => result === 'running' || now - at < newsMs);
}

export function subjectText(object: Subject): string {
  const parts = [
    object.vm === undefined ? '' : `vm ${object.vm}`,
    object.disk === undefined ? '' : `disk ${object.disk}`,
    object.image === undefined ? '' : `image ${object.image}`,
    object.vm === undefined && object.datastore !== undefined ? `datastore ${object.datastore}` : '',
    object.host ?? '',
  ];
  return parts.filter((part) => part !== '').join(' ');
}

/** `tm/clone  vm 7 disk 0: running for 2 min 5 s`, and below it what it does. */
export function runningLines(action: RunningAction, now: number, width: number, paint: Paint): string[] {
  const about = subjectText(action.object);
  const head = `${paint.strong(action.action)}${about === '' ? '' : `  ${about}`}`;
  if (action.result === 'lost')
    return [
      `${head}: ${paint.bad('ended without a record')}, last seen ${duration(Math.max(0, now - action.at))} ago`,
      ...below(`its process was killed, or the machine stopped. ${lastText(action, action.at)}`, width),
    ];
  const age = duration(Math.max(0, now - Date.parse(action.time)));
  return [
    `${head}: running for ${age}`,
    ...action.progress.flatMap(({ label, text }) => below(`${label}: ${text}`, width)),
    ...(action.progress.length === 0 ? below(lastText(action, now), width) : []),
    ...action.notes.flatMap((note) => below(note, width)),
  ];
}

function lastText({ last, progress }: RunningAction, now: number): string {
  const moving = progress.map(({ label, text }) => `${label}: ${text}`).join('; ');
  if (moving !== '') return moving;
  return last === undefined
    ? 'no call has ended yet'
    : `last call: ${last.text}, ${duration(Math.max(0, now - last.at))} ago`;
}

const below = (text: string, width: number): string[] =>
  text === '' ? [] : wrapText(text, width - 2).map((line) => `  ${line}`);
