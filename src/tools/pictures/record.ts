import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownBinary } from '../own-binary.ts';
import { terminalSvg } from './terminal-svg.ts';

const columns = 96;

interface Shot {
  readonly name: string;
  readonly command: string;
}

/** What is done in the lab, and what is looked at after it. */
const story: readonly { readonly play: readonly string[]; readonly shots: readonly Shot[] }[] = [
  {
    play: [
      'linstor_un datastore create --yes',
      'oneimage create -d linstor-images --name alpine --path https://example.org/alpine.qcow2',
      'onetemplate create --name web --disk alpine',
      'onetemplate instantiate web --name web-1',
      'onetemplate instantiate web --name web-2',
    ],
    shots: [
      { name: 'status', command: 'linstor_un status' },
      { name: 'trace', command: 'linstor_un trace --vm 0 --action clone' },
    ],
  },
  {
    play: ['linstor_un lab break node node2'],
    shots: [{ name: 'doctor', command: 'linstor_un doctor' }],
  },
];

/** Plays the story in a lab of its own, on the compiled program and a real terminal. Pictures by name. */
export async function recordPictures(): Promise<Map<string, string>> {
  const program = ownBinary();
  const folder = mkdtempSync(join(tmpdir(), 'pictures-'));
  const lab = join(folder, 'lab');
  const env = { ...process.env, LC_ALL: 'C.UTF-8', TERM: 'xterm', NO_COLOR: '', LINSTOR_UN_LAB: lab };
  const run = async (argv: readonly string[]): Promise<string> => {
    const child = Bun.spawn([...argv], { env, cwd: folder, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
    const [text, trouble] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if ((await child.exited) > 2) throw new Error(`${argv.join(' ')}: ${trouble}${text}`);
    return text;
  };
  const inLab = (line: string): Promise<string> =>
    run(['bash', '-c', 'eval "$("$0" lab env)"; eval "$1"', program, line]);
  try {
    await run([program, 'lab', 'up']);
    const pictures = new Map<string, string>();
    for (const { play, shots } of story) {
      for (const line of play) await inLab(line);
      for (const { name, command } of shots) {
        const typed = `stty cols ${columns} rows 60; ${command} 2>/dev/null`;
        const screen = await inLab(`script -qec '${typed}' /dev/null`);
        pictures.set(name, terminalSvg(command, screen, columns));
      }
    }
    return pictures;
  } finally {
    await run([program, 'lab', 'down']).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}
