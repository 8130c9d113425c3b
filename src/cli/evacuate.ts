import { evacuate, undoEvacuation } from '../availability/evacuate.ts';
import { DriverError } from '../errors.ts';
import { wholeNumber } from './arguments.ts';
import { operatorCommand } from './command.ts';

export const evacuateCommand = operatorCommand({
  name: 'evacuate',
  summary:
    'Empty HOST: disable it in OpenNebula, migrate its VMs alive, let LINSTOR move its replicas, wait until all is in sync, and say when it is safe to switch off. ' +
    'May be interrupted and called again. Refuses, before it changes anything, when fewer copies would remain.',
  args: {
    host: { type: 'positional', required: true, description: 'name of the host' },
    poweroff: {
      type: 'boolean',
      description:
        'also move VMs that are powered off or suspended, and power off those that do not migrate alive',
    },
    'keep-replicas': {
      type: 'boolean',
      description: 'for a restart: VMs leave, replicas stay',
    },
    timeout: {
      type: 'string',
      valueHint: 'MINUTES',
      description: 'give up when nothing moves for so long; default 30',
    },
    undo: { type: 'boolean', description: 'take HOST back into service; what has moved stays where it is' },
    yes: { type: 'boolean', alias: 'y', description: 'do not ask' },
  },
  examples: [
    ['evacuate node3', 'before node3 is taken away'],
    ['evacuate --keep-replicas node3', 'before node3 is restarted'],
    ['evacuate --undo node3', 'afterwards'],
  ],
  run: async (args, environment) => {
    const { terminal } = environment;
    const host = args.host;
    const say = (text: string): void => terminal.message('info', text);
    const minutes = wholeNumber('--timeout', args.timeout) ?? 30;
    if (minutes < 1) throw new DriverError('USAGE', '--timeout is at least one minute');
    const context = await environment.context();
    if (args.undo) {
      await undoEvacuation(context, host, say);
      return 0;
    }
    if (!args.yes) {
      if (!terminal.interactive)
        throw new DriverError('USAGE', 'linstor_un evacuate asks before it begins', { remedy: 'add --yes' });
      if (!(await terminal.confirm(`Move everything away from ${host}?`))) return 1;
    }
    await evacuate(context, host, {
      poweroff: args.poweroff ?? false,
      keepReplicas: args['keep-replicas'] ?? false,
      stallMs: minutes * 60_000,
      say,
    });
    return 0;
  },
});
