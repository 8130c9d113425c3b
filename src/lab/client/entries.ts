import { asList, asText, isObject, type Json, type JsonObject } from './json.ts';

/** ApiCallRc entries as the client shows them to people, and what they mean for its exit code. */

export type Severity = 'success' | 'info' | 'warning' | 'error';

export function severityOf(entry: JsonObject): Severity {
  const code = BigInt(asText(entry['ret_code']) || '0');
  const severities = ['success', 'info', 'warning', 'error'] as const;
  return severities[Number((BigInt.asUintN(64, code) >> 62n) & 3n)] as Severity;
}

/** A reply that is a list whose first element has a `ret_code` (linstor-behaviour §4.2). */
export function entriesOf(answer: Json): JsonObject[] | undefined {
  const items = asList(answer);
  const [first] = items;
  return isObject(first) && first['ret_code'] !== undefined ? items.filter(isObject) : undefined;
}

const colours: Readonly<Record<Severity, string>> = { success: '32', info: '34', warning: '33', error: '31' };

/** `SUCCESS:` and the message; with cause, correction or details as headed blocks. */
export function showEntry(entry: JsonObject, colour: boolean): string {
  const severity = severityOf(entry);
  const head = `${severity.toUpperCase()}:\n`;
  const blocks: readonly (readonly [string, string])[] = [
    ['Cause', asText(entry['cause'])],
    ['Correction', asText(entry['correction'])],
    ['Details', asText(entry['details'])],
  ];
  const reports = asList(entry['error_report_ids']).map(asText);
  const indent = (text: string): string =>
    text
      .split('\n')
      .map((line) => `    ${line}\n`)
      .join('');
  const given = blocks.filter(([, text]) => text !== '');
  const message = indent(asText(entry['message']));
  const body =
    given.length === 0
      ? message
      : `Description:\n${message}${given.map(([name, text]) => `${name}:\n${indent(text)}`).join('')}`;
  const shown =
    reports.length === 0 ? '' : `Show reports:\n    linstor error-reports show ${reports.join(' ')}\n`;
  return `${colour ? `\u001b[1;${colours[severity]}m${head}\u001b[0m` : head}${body}${shown}`;
}
