import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../../lab/cluster.ts';
import { operatorCommand } from '../command.ts';
import { dirOption, openLab } from './options.ts';

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Lines for a shell; its prompt says where it is. A person keeps their own home, language and PATH; the lab's programs come first. */
function shellLines(cluster: Cluster): string {
  const variables: Record<string, string> = { ...cluster.driverEnv(), LINSTOR_UN_LAB: cluster.dir };
  const { PATH = '', HOME: _home, LANG: _lang, ...rest } = variables;
  return [
    `export PATH=${quoted(PATH.split(':')[0] ?? '')}:"$PATH"`,
    ...Object.entries(rest).map(([name, text]) => `export ${name}=${quoted(text)}`),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's.
    'case ${PS1-} in *"(lab) "*) ;; *) PS1="(lab) ${PS1-\\$ }" ;; esac',
    '',
  ].join('\n');
}

export const labEnv = operatorCommand({
  name: 'lab env',
  summary: 'Print the environment of the lab for a shell to evaluate; its prompt then begins with (lab).',
  args: { dir: dirOption },
  examples: [
    ['lab env', 'print it'],
    ['lab env | grep LS_', 'only the controllers'],
  ],
  run: ({ dir }, { terminal, env }) => {
    terminal.data(shellLines(openLab(dir, env)));
    return 0;
  },
});

export const labShell = operatorCommand({
  name: 'lab shell',
  summary: 'Start a shell in the lab: linstor, oneimage, onevm, ssh node1 and linstor_un mean the lab there.',
  args: { dir: dirOption },
  examples: [['lab shell', 'leave it with exit']],
  run: async ({ dir }, { env }) => {
    const cluster = openLab(dir, env);
    const rc = join(cluster.dir, 'shellrc');
    writeFileSync(rc, `[ ! -r ~/.bashrc ] || . ~/.bashrc\n${shellLines(cluster)}`);
    chmodSync(rc, 0o600);
    const shell = Bun.spawn(['bash', '--rcfile', rc, '-i'], {
      stdin: 'inherit',
      stdout: 'inherit',
      stderr: 'inherit',
      env: { ...env },
    });
    return shell.exited;
  },
});
