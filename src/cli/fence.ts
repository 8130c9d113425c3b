import { type FenceReport, fenceHost } from '../availability/fence.ts';
import { rehearse } from '../availability/rehearse.ts';
import { DriverError } from '../errors.ts';
import { xmlOfMessage } from '../opennebula/base64.ts';
import { parseHost } from '../opennebula/documents.ts';
import { type CliEnvironment, operatorCommand, printJson } from './command.ts';
import { wrapText } from './table.ts';

export const fence = operatorCommand({
  name: 'fence',
  summary:
    'Make sure that no disk which runs on HOST can complete a write any more, and say for each why, or why that is not sure. ' +
    'For OpenNebula’s fence_host.sh: without HOST its document is read from stdin.',
  args: {
    host: {
      type: 'positional',
      required: false,
      description: 'name of the host, or its document in XML or base64',
    },
    test: {
      type: 'boolean',
      description: 'change nothing: would HOST be fenced if it were gone now?',
    },
    force: { type: 'boolean', description: 'run FENCE_COMMAND against a host that is alive too' },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  exitCodes: [
    [0, 'no write of HOST can complete any more; with --test: would be fenced'],
    [1, 'not sure, or failed'],
  ],
  examples: [
    ['fence node3', 'after node3 has died'],
    ['fence --test node3', 'is everything ready for that day?'],
    ['fence < host.b64', 'as hooks/ft/fence_host.sh calls it'],
  ],
  run: async (args, environment) => {
    const { host, document } = await subject(args.host);
    const context = await environment.context();
    const report = args.test
      ? await rehearse(context, host)
      : await fenceHost(context, host, {
          force: args.force ?? false,
          ...(document === undefined ? {} : { document }),
        });
    if (args.json) printJson(environment, report);
    else environment.terminal.out(render(report, environment, args.test ?? false));
    return report.fenced ? 0 : 1;
  },
});

async function subject(word: string | undefined): Promise<{ host: string; document?: string }> {
  const given = word ?? (process.stdin.isTTY ? '' : await Bun.stdin.text());
  const text = given.trim();
  if (text === '')
    throw new DriverError('USAGE', 'linstor_un fence: HOST is missing', {
      remedy: 'name it, or let OpenNebula’s host hook hand its document in',
    });
  // A name is no base64 of a document: that begins with “<HOST>”, in base64 “PEhP”.
  if (!/^(?:<|PEhP|PD94)/.test(text)) return { host: text };
  const xml = xmlOfMessage(text, 'document of the host');
  return { host: parseHost(xml.replace(/^<\?xml[^>]*\?>\s*/, '')).name, document: text };
}

const reasons = {
  'nothing runs there': 'OpenNebula has no VM with a disk on it',
  quorum: 'the other nodes have quorum without it',
  command: 'FENCE_COMMAND says so, and nobody is connected to it',
} as const;

function render(report: FenceReport, { terminal }: CliEnvironment, isTest: boolean): string {
  const { host, disks, alive, silent } = report;
  const lines = disks.map(
    ({ vm, disk, resource, safe, why }) =>
      `  ${safe ? 'ok  ' : 'NO  '} VM ${vm} disk ${disk}${resource === undefined ? '' : ` (${resource})`}: ${why}`,
  );
  const more = [
    ...(isTest ? [] : alive.map((who) => `  ${who}`)),
    ...Object.entries(silent).map(([name, why]) => `  ${name} did not answer: ${why}`),
    ...(report.command === undefined ? [] : [`  fencing command: ${report.command}`]),
  ];
  const head = report.fenced
    ? `${host} ${isTest ? 'would be' : 'is'} fenced${report.by === undefined ? '' : `: ${reasons[report.by]}`}`
    : `${host} ${isTest ? 'would NOT be' : 'is NOT'} fenced`;
  return `${[head, ...lines, ...more].flatMap((line) => hanging(line, terminal.columns)).join('\n')}\n`;
}

function hanging(line: string, width: number): string[] {
  const indent = line.startsWith('  ') ? (/^ {2}(?:ok|NO) {2,3}/.exec(line)?.[0].length ?? 2) : 0;
  const [first = '', ...rest] = wrapText(line.slice(indent), Math.max(20, width - indent));
  return [line.slice(0, indent) + first, ...rest.map((each) => ' '.repeat(indent) + each)];
}
