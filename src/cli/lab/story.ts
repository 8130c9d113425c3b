import { DriverError } from '../../errors.ts';
import { operatorCommand } from '../command.ts';

/** What happens in a data centre, as commands to type one after the other, each with what there is to see. */

interface Step {
  readonly command: string;
  readonly see: string;
  /** It is refused, and that is the point. */
  readonly fails?: boolean;
}

interface Story {
  readonly title: string;
  readonly steps: readonly Step[];
}

const start: readonly Step[] = [
  { command: 'linstor_un lab up', see: 'three nodes, one pool each' },
  { command: 'linstor_un lab shell', see: 'the prompt begins with (lab); the rest is typed there' },
  {
    command:
      'printf "%s\\n" NAME=images TYPE=IMAGE_DS DS_MAD=linstor_un TM_MAD=linstor_un RESOURCE_GROUP=opennebula CLONE_MODE=snapshot >images.conf',
    see: '',
  },
  {
    command:
      'printf "%s\\n" NAME=system TYPE=SYSTEM_DS TM_MAD=linstor_un RESOURCE_GROUP=opennebula CLONE_MODE=snapshot >system.conf',
    see: '',
  },
  { command: 'onedatastore create images.conf', see: 'ID: 100' },
  { command: 'onedatastore create system.conf', see: 'ID: 101' },
  {
    command: 'oneimage create --name alpine --path https://example.org/alpine.qcow2',
    see: 'a small image of the lab’s own',
  },
  { command: 'onetemplate create --name alpine --disk alpine', see: '' },
  { command: 'onetemplate instantiate alpine --name first', see: 'VM ID: 0' },
];

export const stories: Readonly<Record<string, Story>> = {
  disk: {
    title: 'A disk fails: a pool is full, and a new VM cannot be placed on it',
    steps: [
      { command: 'linstor_un lab break pool node1 thin', see: 'node1 has no space left' },
      {
        command: 'onedatastore monitor images',
        see: 'AVAIL in onedatastore list goes by what can still be placed',
      },
      { command: 'linstor storage-pool list', see: 'FreeCapacity of node1 is 0' },
      { command: 'oneimage create --name two --size 64', see: 'goes to node2 and node3' },
      {
        command: 'linstor_un lab break pool node2 thin',
        see: 'one node with space is not enough for two replicas',
      },
      { command: 'oneimage create --name three --size 64', see: '[NO_SPACE], and what to do', fails: true },
      { command: 'linstor_un lab mend', see: 'the space is back' },
      { command: 'oneimage delete three', see: 'the failed image, which has nothing in LINSTOR' },
    ],
  },
  node: {
    title: 'A node dies: its VM goes on elsewhere, its replica is kept for its return',
    steps: [
      {
        command: 'oneimage create --name data --size 64 --persistent',
        see: 'an image that its VM writes to',
      },
      { command: 'onetemplate create --name db --disk data', see: '' },
      { command: 'onetemplate instantiate db --name db', see: 'on node2, which has the fewest VMs' },
      {
        command: 'linstor_un lab break dead node2 --value 2',
        see: 'ssh to it hangs; LINSTOR notices after two seconds',
      },
      { command: 'sleep 3; linstor node list', see: 'node2 is OFFLINE' },
      { command: 'linstor_un status', see: 'what is degraded; exit code 1', fails: true },
      { command: 'onevm recover db --recreate', see: 'OpenNebula’s host hook does this by itself' },
      { command: 'onevm deploy db node3', see: 'node3 has no replica and reads the one that is left' },
      { command: 'onevm show db', see: 'RUNNING on node3' },
      { command: 'linstor_un lab mend node2', see: 'the node is back' },
      { command: 'linstor resource list', see: 'both replicas are UpToDate' },
      { command: 'linstor_un gc', see: 'nothing is left over' },
    ],
  },
  snapshot: {
    title: 'A snapshot is reverted: what was written after it is gone',
    steps: [
      { command: 'onevm disk-snapshot-create first 0 before', see: 'in a moment, while it runs' },
      { command: 'onevm show first', see: 'DISK SNAPSHOTS: 0 before' },
      { command: 'linstor snapshot list', see: 'the same in LINSTOR' },
      { command: 'onevm poweroff first', see: 'a revert needs the disk closed' },
      { command: 'onevm disk-snapshot-revert first 0 0', see: 'no byte is copied' },
      { command: 'onevm resume first', see: 'RUNNING, with the content of then' },
      { command: 'linstor_un trace', see: 'the calls behind each step' },
    ],
  },
};

function told(name: string, { title, steps }: Story): string {
  const lines = (list: readonly Step[]): string =>
    list.map(({ command, see }) => `  ${command}\n${see === '' ? '' : `      ${see}\n`}`).join('');
  return `${name}: ${title}\n\nOnce, for all stories:\n\n${lines(start)}\nThen:\n\n${lines(steps)}`;
}

export const labStory = operatorCommand({
  name: 'lab story',
  summary: 'Commands that play what happens in a data centre, and what to look at after each.',
  args: {
    which: { type: 'positional', description: Object.keys(stories).join(', '), required: false },
    // Printed by `lab up` for a lab elsewhere; a story is the same there.
    dir: { type: 'string', description: 'ignored: the commands run in the lab’s shell', valueHint: 'DIR' },
  },
  examples: [
    ['lab story', 'which there are'],
    ['lab story node', 'a node dies'],
  ],
  run: ({ which }, { terminal }) => {
    if (which === undefined) {
      terminal.out(
        Object.entries(stories)
          .map(([name, { title }]) => `${name.padEnd(10)} ${title}\n`)
          .join(''),
      );
      return 0;
    }
    const story = Object.hasOwn(stories, which) ? stories[which] : undefined;
    if (!story)
      throw new DriverError('USAGE', `there is no story “${which}”`, {
        remedy: `one of ${Object.keys(stories).join(', ')}`,
      });
    terminal.out(told(which, story));
    return 0;
  },
});

/** For the test that plays them. */
export const storyStart: readonly Step[] = start;
