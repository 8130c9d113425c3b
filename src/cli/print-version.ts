import { operatorCommand, printJson } from './command.ts';

export const versionCommand = operatorCommand({
  name: 'version',
  summary: 'Print the version of this program.',
  args: { json: { type: 'boolean', description: 'one JSON document' } },
  examples: [],
  run: ({ json }, environment) => {
    if (json) printJson(environment, { version: environment.version, bun: Bun.version });
    else environment.terminal.out(`linstor_un ${environment.version}\n`);
    return 0;
  },
});
