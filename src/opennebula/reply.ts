import type { Call } from '../call.ts';
import { DriverError, errorLine } from '../errors.ts';
import { oneLine } from '../log/redact.ts';
import type { Generation } from './version.ts';

/** What goes to stdout and stderr of a driver action (contract §1.5). All texts end with a line break or are empty. */

/** The script's name in log lines: `clone`, or `clone.ssh`. */
type Speaker = Pick<Call, 'name' | 'variant'>;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const words: Readonly<Record<LogLevel, string>> = {
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARN',
  error: 'ERROR',
};

/**
 * stdout. oned reads one line; whatever stands in a second one is taken for another driver message, so a reply
 * with a line break is a defect of ours. Only `monitor`, which is encoded on its way, may have several lines.
 */
export function replyText(call: Pick<Call, 'kind' | 'name'>, reply: string | undefined): string {
  if (reply === undefined) return '';
  const text = reply.replace(/\n+$/, '').toWellFormed();
  if (text === '') return '';
  if (call.name !== 'monitor' && /[\r\n]/.test(text)) {
    throw new DriverError('INTERNAL', `the reply of ${call.kind}/${call.name} has more than one line`);
  }
  return `${text}\n`;
}

/**
 * stderr of a failed action: one line of prose. 7.0 glues lines together without a blank and hides lines that
 * begin with a level, so it is one line and begins with none; up to 6.0.2 only marked text is shown at all.
 */
export function failureText(
  generation: Generation,
  call: Speaker,
  error: DriverError,
  secrets: readonly string[] = [],
): string {
  const line = oneLine(errorLine(error), secrets);
  const plain = /^(ERROR|INFO|WARN|DEBUG):/.test(line) ? `${speaker(call)}: ${line}` : line;
  if (generation !== 'markers') return `${plain}\n`;
  return `ERROR MESSAGE --8<------\n${plain}\nERROR MESSAGE ------>8--\n`;
}

/**
 * A line for OpenNebula's log on stderr; empty where the release has no log lines. The name after the level keeps
 * a text that starts with digits from being taken for an object's id. From 6.0.3 to 6.10 all of stderr becomes the
 * user's message, so nothing but the error is written. `WARN` is a level since 7.0 only.
 */
export function logText(
  generation: Generation,
  call: Speaker,
  level: LogLevel,
  text: string,
  secrets: readonly string[] = [],
): string {
  if (generation === 'joined') return '';
  const warning = level === 'warn' && generation === 'markers';
  const word = warning ? 'INFO' : words[level];
  return `${word}: ${speaker(call)}: ${warning ? 'warning: ' : ''}${oneLine(text, secrets)}\n`;
}

function speaker(call: Speaker): string {
  return call.variant === undefined ? call.name : `${call.name}.${call.variant}`;
}
