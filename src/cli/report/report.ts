import { accessSync, closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DriverError } from '../../errors.ts';
import { wholeNumber } from '../arguments.ts';
import { type CliEnvironment, operatorCommand } from '../command.ts';
import { noHosts, openContext, renderDoctor } from '../doctor.ts';
import { paintFor } from '../paint.ts';
import { renderTrace, slowFrom } from '../trace.ts';
import { collectReport, type Report } from './collect.ts';
import { reportPage } from './page.ts';

export const report = operatorCommand({
  name: 'report',
  summary:
    'Write one archive for support: doctor, status, versions, configuration without secrets, the last failed and slow actions, ' +
    'error reports of LINSTOR, and a page that shows them (report.html).',
  args: {
    output: {
      type: 'string',
      alias: 'o',
      valueHint: 'FILE',
      description: 'the archive; default linstor_un-report-TIME.tar.gz here, or in /var/tmp',
    },
    last: {
      type: 'string',
      valueHint: 'N',
      description: 'the newest N failed and the newest N slow actions; default 20',
    },
    'slower-than': {
      type: 'string',
      valueHint: 'MS',
      description: `from how many milliseconds an action is slow; default ${slowFrom}`,
    },
    'no-hosts': { type: 'boolean', description: 'do not ask hosts over ssh' },
  },
  examples: [
    ['report', 'everything in one file'],
    ['report --last 5 --output /tmp/report.tar.gz', 'the last five failures'],
  ],
  run: async (args, environment) => {
    const options = {
      last: wholeNumber('--last', args.last) ?? 20,
      slowFrom: wholeNumber('--slower-than', args['slower-than']) ?? slowFrom,
      withoutHosts: noHosts(args),
    };
    if (options.last < 1) throw new DriverError('USAGE', '--last is at least 1');
    const made = environment
      .now()
      .toISOString()
      .replaceAll(/[-:]|\.\d+/g, '');
    const name = `linstor_un-report-${made}`;
    const path = args.output === undefined ? defaultPath(`${name}.tar.gz`) : resolve(args.output);
    const report = await collectReport(await openContext(environment), environment, options);
    const files = Object.entries(filesOf(report)).map(([file, text]) => [`${name}/${file}`, text]);
    const archive = new Bun.Archive(Object.fromEntries(files), { compress: 'gzip' });
    writeNew(path, await archive.bytes());
    tell(environment, path, report);
    return 0;
  },
});

/** Here, if this user may write here: root steps down to oneadmin, who may not in root's home. */
function defaultPath(name: string): string {
  try {
    accessSync('.', constants.W_OK);
    return resolve(name);
  } catch {
    return join('/var/tmp', name);
  }
}

export function filesOf(report: Report): Record<string, string> {
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const screen = { width: 120, paint: paintFor(false) };
  const errors = report.errorReports.flatMap(({ id, text }) =>
    text === undefined ? [] : [[`error-reports/${fileName(id)}.log`, text]],
  );
  return {
    'report.html': reportPage(report),
    'versions.json': json(report.versions),
    'doctor.txt': renderDoctor(report.doctor, { ...screen, all: true }),
    'doctor.json': json({ worst: report.verdict, findings: report.doctor.flatMap((each) => each.findings) }),
    'status.txt': report.screen,
    'status.json': json(report.status),
    'actions.txt': renderTrace([...report.failed, ...report.slow], screen.width, screen.paint),
    'actions.json': json({ failed: report.failed, slow: report.slow }),
    'configuration.json': json(report.configuration),
    'error-reports.json': json(report.errorReports.map(({ text: _, ...rest }) => rest)),
    'missing.json': json(report.missing),
    ...Object.fromEntries(errors),
  };
}

/** An id comes from the controller: it names no other place in the archive. */
const fileName = (id: string): string => id.replaceAll(/[^\w-]/g, '_').slice(0, 100);

/** Only for whoever made it, and never through a link that lies there. */
function writeNew(path: string, bytes: Uint8Array): void {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (cause) {
    const there = (cause as { code?: unknown }).code === 'EEXIST';
    throw new DriverError('HOST_COMMAND', `${path} ${there ? 'is there already' : 'cannot be written'}`, {
      remedy: 'name another file: linstor_un report --output FILE',
      cause,
    });
  }
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
  } catch (cause) {
    rmSync(path, { force: true });
    throw new DriverError('HOST_COMMAND', `${path} cannot be written`, {
      remedy: 'free space there, or name another file: linstor_un report --output FILE',
      cause,
    });
  } finally {
    closeSync(file);
  }
}

function tell({ terminal }: CliEnvironment, path: string, report: Report): void {
  const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;
  const parts = [
    count(report.failed.length, 'failed action'),
    count(report.slow.length, 'slow action'),
    count(report.errorReports.length, 'error report'),
  ];
  terminal.out(`${path}\n`);
  terminal.message('info', `${parts.join(', ')}; unpack it and open report.html`);
  for (const line of report.missing) terminal.message('warn', `not in it: ${line}`);
}
