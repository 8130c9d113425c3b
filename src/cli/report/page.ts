import type { ActionRecord } from '../../log/record.ts';
import type { Finding } from '../checks/check.ts';
import { duration } from '../table.ts';
import type { Report } from './collect.ts';
import { html, Markup } from './html.ts';
import { style } from './style.ts';
import { timeline } from './timeline.ts';

const words = { ok: 'OK', warn: 'warnings', fail: 'failures' } as const;

/** One file that needs no other and runs nothing: the browser is told so, should a text of others ever get through as markup. */
export function reportPage(report: Report): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>linstor_un report ${report.made}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<h1>linstor_un report</h1>
<p class="faint">${report.made}. Passwords, tokens and keys are left out.</p>
<p>Doctor: <span class="word ${report.verdict}">${words[report.verdict]}</span>. ${`${report.failed.length} failed and ${report.slow.length} slow actions.`}</p>
${report.missing.map((line) => html`<p class="word warn">Not in here: ${line}</p>`)}
<h2 id="versions">Versions</h2>
${pairs(report.versions)}
<h2 id="doctor">Doctor</h2>
${report.doctor.map((section) => findings(section.title, section.findings))}
<h2 id="status">Status</h2>
<pre>${report.screen}</pre>
<h2 id="failed">Failed actions</h2>
${legend}
${actions(report.failed)}
<h2 id="slow">Slow actions</h2>
${legend}
${actions(report.slow)}
<h2 id="errors">Error reports of LINSTOR</h2>
${errorReports(report)}
<h2 id="configuration">Configuration</h2>
<pre>${JSON.stringify(report.configuration, null, 2)}</pre>
</body>
</html>`;
  return `${page.text}\n`;
}

function pairs(values: Readonly<Record<string, string>>): Markup {
  return html`<table>${Object.entries(values).map(
    ([key, value]) => html`<tr><th>${key}</th><td>${value}</td></tr>`,
  )}</table>`;
}

/** What is well is one line: whoever helps looks for what is not. */
function findings(title: string, list: readonly Finding[]): Markup | undefined {
  if (list.length === 0) return undefined;
  const well = list.filter(({ severity }) => severity === 'ok');
  return html`<h3>${title}</h3>
${list.filter(({ severity }) => severity !== 'ok').map(finding)}
${well.length === 0 ? undefined : html`<details><summary>${well.length} <span class="word ok">ok</span></summary>${well.map(finding)}</details>`}`;
}

function finding(item: Finding): Markup {
  return html`<div class="finding ${item.severity}"><p><span class="word ${item.severity}">${item.severity}</span> ${item.object === undefined ? '' : `${item.object}: `}${item.what} <span class="faint">${item.id}</span></p>
${item.why === undefined ? undefined : html`<p class="faint">${item.why}</p>`}${item.remedy === undefined ? undefined : html`<pre>${item.remedy}</pre>`}</div>`;
}

const legend = html`<p class="faint">${(['linstor', 'ssh', 'one', 'local'] as const).map(
  (kind) => html`<span class="key ${kind}"></span>${kind === 'one' ? 'OpenNebula' : kind}`,
)}<span class="key bad"></span>failed</p>`;

function actions(records: readonly ActionRecord[]): Markup {
  if (records.length === 0) return html`<p>None.</p>`;
  // The newest first: that is what one asks about.
  return html`${records.toReversed().map(action)}`;
}

function action(record: ActionRecord): Markup {
  const { vm, disk, image, datastore, host } = record.object;
  const about = Object.entries({ vm, disk, image, datastore })
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${value}`]))
    .concat(host ?? []);
  return html`<details class="action" open><summary><b>${record.action}</b> ${about.join(', ')} <span class="faint">${record.time}, ${duration(record.ms)}</span></summary>
${record.error === undefined ? undefined : html`<p class="error">${record.error.message} [${record.error.code}]</p>${record.error.details.map((line) => html`<p class="error">${line}</p>`)}`}
${record.notes.filter(({ level }) => level === 'warn' || level === 'error').map(({ text }) => html`<p class="word warn">${text}</p>`)}
${timeline(record)}
<p class="faint">${record.argv.join(' ')}</p></details>`;
}

function errorReports({ errorReports: list }: Report): Markup {
  if (list.length === 0) return html`<p>None in the last seven days.</p>`;
  return html`${list.map(
    (
      each,
    ) => html`<details><summary><b>${each.id}</b> ${each.node} <span class="faint">${isoTime(each.time)}</span> ${each.exception}: ${each.message}${each.named ? ' (a failed action was told of it)' : ''}</summary>
<pre>${each.text ?? 'its text could not be fetched'}</pre></details>`,
  )}`;
}

/** A controller may send any number. */
function isoTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
