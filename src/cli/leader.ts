import { operatorCommand } from './command.ts';

export const leader = operatorCommand({
  name: 'leader',
  summary:
    'Whether this front-end leads its zone. The exit code tells. Timers use it: what acts on the cluster runs once.',
  args: {},
  exitCodes: [
    [0, 'it leads, or it is the only one'],
    [1, 'another one leads, or OpenNebula does not answer'],
  ],
  examples: [['leader && linstor_un gc', 'only where the leader is']],
  run: async (_args, environment) => {
    const { one } = await environment.context({ withoutConfig: true });
    return (await one.leads()) ? 0 : 1;
  },
});
