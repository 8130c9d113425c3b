import type { Cluster } from '../../cluster.ts';
import { OneRefusal } from '../model.ts';
import { type OneCommand, readCall, table } from './call.ts';
import { onedatastore } from './datastores.ts';
import { oneimage } from './images.ts';
import { onetemplate } from './templates.ts';
import { onevm } from './vms.ts';

const hostStates: Readonly<Record<number, string>> = { 2: 'on', 3: 'err', 4: 'dsbl', 8: 'off' };

const onehost: Readonly<Record<string, OneCommand>> = {
  list: {
    words: '',
    summary: 'all of them',
    run: ({ state }) => ({
      text: table(
        ['ID', 'NAME', 'STAT', 'RVM'],
        state.hosts.map(({ id, name, state: s }) => [
          id,
          name,
          hostStates[s] ?? String(s),
          state.vms.filter((vm) => vm.state === 3 && vm.history.at(-1)?.hostname === name).length,
        ]),
      ),
    }),
  },
};

/** OpenNebula's commands that the lab has, and of each the calls of a day: the rest is refused by name. */
export const onePrograms: Readonly<Record<string, Readonly<Record<string, OneCommand>>>> = {
  onedatastore,
  oneimage,
  onetemplate,
  onevm,
  onehost,
};

export interface OneRan {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

const usage = (program: string, commands: Readonly<Record<string, OneCommand>>): string =>
  `${program} of a linstor_un lab: what its small oned can do.\n\n${table(
    ['COMMAND', ''],
    Object.entries(commands).map(([name, { words, summary }]) => [`${name} ${words}`, summary]),
  )}`;

/** `oneimage create …` in a lab: real driver calls, in the order that oned makes them. */
export async function runOne(program: string, argv: readonly string[], cluster: Cluster): Promise<OneRan> {
  const commands = onePrograms[program] ?? {};
  const [name = '--help', ...rest] = argv;
  if (['--help', '-h', 'help'].includes(name))
    return { exit: 0, stdout: usage(program, commands), stderr: '' };
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command)
    return {
      exit: 255,
      stdout: '',
      stderr: `${program}: this lab has no “${name}”\n\n${usage(program, commands)}`,
    };
  try {
    const one = cluster.one();
    const { text = '', note } = await command.run({
      cluster,
      one,
      state: one.read(),
      ...readCall(command, rest),
    });
    return { exit: 0, stdout: text, stderr: note === undefined ? '' : `lab: ${note}\n` };
  } catch (error) {
    if (!(error instanceof OneRefusal)) throw error;
    return { exit: 255, stdout: '', stderr: `[${program} ${name}] ${error.message}\n` };
  }
}
