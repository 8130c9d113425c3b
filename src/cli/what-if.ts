import { type Fate, isHarmless, type VolumeFate, type WhatIf, whatIf } from '../availability/what-if.ts';
import { operatorCommand, printJson } from './command.ts';
import { type Paint, paintFor } from './paint.ts';
import { table } from './table.ts';

export const whatIfCommand = operatorCommand({
  name: 'what-if',
  summary: 'Which VMs lose their disks, quorum or redundancy if HOST goes now. Changes nothing.',
  args: {
    host: { type: 'positional', required: true, description: 'name of the host' },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  exitCodes: [
    [0, 'no VM loses data or stops'],
    [1, 'somebody does, or failed'],
  ],
  examples: [['what-if node3', 'before node3 is restarted']],
  run: async (args, environment) => {
    const context = await environment.context();
    const answer = await whatIf(context, args.host);
    const { terminal } = environment;
    if (args.json) printJson(environment, { ...answer, harmless: isHarmless(answer) });
    else terminal.out(render(answer, terminal.columns, paintFor(terminal.color)));
    return isHarmless(answer) ? 0 : 1;
  },
});

const words: Readonly<Record<Fate, string>> = {
  lost: 'no copy left',
  stalled: 'no quorum',
  last: 'one copy left',
  fewer: 'fewer copies',
  same: 'nothing lost',
};

function render(answer: WhatIf, width: number, paint: Paint): string {
  const { host, node, vms, images } = answer;
  const named = sameText(host, node) ? host : `${host} (${node})`;
  if (vms.length === 0 && images.length === 0) return `Without ${named} nothing is missing.\n`;
  const color = (fate: Fate): string =>
    fate === 'lost' || fate === 'stalled'
      ? paint.bad(words[fate])
      : fate === 'same'
        ? words[fate]
        : paint.warn(words[fate]);
  const lines = [paint.strong(`If ${named} goes now:`), ''];
  const columns = [
    { title: '' },
    { title: '', shrink: true },
    { title: '' },
    { title: '', shrink: true },
  ] as const;
  const rows = [
    ...vms.map(({ id, name, stops, fate, volumes }) => [
      `VM ${id}`,
      name,
      stops ? 'stops' : 'runs on',
      `${color(fate)}${detail(
        volumes.filter((volume) => volume.fate === fate),
        fate,
      )}`,
    ]),
    ...images.map((image) => [
      `image ${image.image ?? ''}`,
      '',
      '',
      `${color(image.fate)}${detail([image], image.fate)}`,
    ]),
  ];
  lines.push(...table(columns, rows, width).map((line) => `  ${line}`));
  const stalled = vms
    .filter(({ fate, stops }) => fate === 'stalled' && !stops)
    .flatMap(({ volumes }) => volumes);
  if (stalled.some(({ fate, onNoQuorum }) => fate === 'stalled' && onNoQuorum !== 'suspend-io'))
    lines.push('', '  Without quorum these guests get I/O errors (on-no-quorum is io-error).');
  lines.push('', `  ${summary(answer)}`);
  return `${lines.join('\n')}\n`;
}

function detail(volumes: readonly VolumeFate[], fate: Fate): string {
  if (fate === 'same' || volumes.length === 0) return '';
  const list = volumes.slice(0, 3).map(({ resource, left, copies }) => `${resource} ${left} of ${copies}`);
  return ` – ${list.join(', ')}${volumes.length > 3 ? ` and ${volumes.length - 3} more` : ''}`;
}

const sameText = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

function summary(answer: WhatIf): string {
  const { vms } = answer;
  const count = (what: (vm: (typeof vms)[number]) => boolean): number => vms.filter(what).length;
  const lost = count(({ fate }) => fate === 'lost');
  const stalled = count(({ fate }) => fate === 'stalled');
  const stops = count((vm) => vm.stops);
  const parts = [
    `${stops} ${stops === 1 ? 'VM stops' : 'VMs stop'}`,
    ...(lost > 0 ? [`${lost} without data`] : []),
    ...(stalled > 0 ? [`${stalled} without quorum`] : []),
  ];
  return `${parts.join(', ')}.${isHarmless(answer) ? ' No VM loses data or stops.' : ''}`;
}
