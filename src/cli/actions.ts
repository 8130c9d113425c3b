import { actions } from '../actions/registry.ts';
import { operatorCommand, printJson } from './command.ts';

export const actionsCommand = operatorCommand({
  name: 'actions',
  summary: 'The actions that OpenNebula can call, with the suffixed names that are installed beside them.',
  args: { json: { type: 'boolean', description: 'one JSON document: [{kind, name, variants}]' } },
  examples: [
    ['actions', 'the table'],
    ['tm clone …', 'call an action by hand, with its own arguments'],
  ],
  run: ({ json }, environment) => {
    if (json)
      printJson(
        environment,
        actions.map(({ kind, name, variants }) => ({ kind, name, variants })),
      );
    else environment.terminal.out(renderActions());
    return 0;
  },
});

export function renderActions(): string {
  const width = Math.max(...actions.map((action) => action.name.length));
  return actions
    .map(({ kind, name, variants, summary }) => {
      const also = variants.length > 0 ? ` (.${variants.join(' .')})` : '';
      return `${kind.padEnd(9)}  ${name.padEnd(width)}  ${summary}${also}\n`;
    })
    .join('');
}
