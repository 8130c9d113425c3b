import { operatorCommand } from './command.ts';

export const leader = operatorCommand({
  name: 'leader',
  summary:
    'Exit 0 when this front-end leads its zone or is the only one, 1 when another leads. Timers use it: what acts on the cluster runs once.',
  args: {},
  examples: [['leader && linstor_un gc', 'only where the leader is']],
  run: async (_args, environment) => {
    const { one } = await environment.context({ withoutConfig: true });
    return (await one.leads()) ? 0 : 1;
  },
});
