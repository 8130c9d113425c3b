import hearText from './shell/hear.sh' with { type: 'text' };
/**
 * A login shell may print before it runs our command (a motd in .bashrc, sshrc), and only what comes behind our own first line is an answer.
 * `sshArgv` has every script on another machine print that line; whoever reads from there drops what is before it: here,
 * between the stages of a pipeline (pipeline.ts), and where one host reads from another (nbd-scripts.ts).
 */
export const greeting = 'linstor_un-answers-4f0d6a52';

/** Put before scripts on other machines. The line break ends what the shell may have left unfinished. */
export const greet = `printf '\\n%s\\n' ${greeting}\n`;

/** Bounded: neither lines without an end nor answers without an end. */
export const hearFunction = `\n${hearText}`;

export interface Heard {
  /** What came before the greeting. */
  readonly noise: string;
  /** Undefined: the greeting never came. */
  readonly answer: string | undefined;
}

export function hear(output: string): Heard {
  const line = `\n${greeting}\n`;
  const at = output.indexOf(line);
  return at < 0
    ? { noise: output, answer: undefined }
    : { noise: output.slice(0, at), answer: output.slice(at + line.length) };
}

/** Does it run one of our scripts on another machine? */
export const isGreeted = (argv: readonly string[]): boolean =>
  /(?:^|\/)ssh$/.test(argv[0] ?? '') && argv.at(-1)?.includes(greeting) === true;
