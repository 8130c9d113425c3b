import { DriverError } from '../../errors.ts';
import type { Cluster } from '../../lab/cluster.ts';
import { type HostFault, hostFaultModes, setHostFaults } from '../../lab/hosts/faults.ts';
import { wholeNumber } from '../arguments.ts';
import { operatorCommand } from '../command.ts';
import { dirOption, openLab } from './options.ts';

const kinds = [
  'host',
  'node',
  'pool',
  'device',
  'satellite',
  'slow',
  'hang',
  'starved',
  'dead',
  'cut',
  'controller',
] as const;

export const labBreak = operatorCommand({
  name: 'lab break',
  summary:
    'Inject a fault: `host` (its ssh), `node` (its satellite), `pool` (full), `device` (late), `satellite` (next work fails), `slow` (each pass of a satellite), `hang` (a satellite that answers nothing), `starved` (DRBD there has lost its peers, and quorum), `dead` (a host without power), `cut` (the network between these hosts and the rest, with LINSTOR and the front-end), `controller` (its answers).',
  args: {
    what: { type: 'positional', description: kinds.join(', '), required: true },
    target: { type: 'positional', description: 'name of the host or node', required: false },
    how: {
      type: 'positional',
      description: `host: ${hostFaultModes.join(', ')}; pool: its name; controller: drop, hang, lose, refuse, truncate, or a return code`,
      required: false,
    },
    dir: dirOption,
    after: {
      type: 'string',
      description: 'matching calls that pass before (host, controller)',
      valueHint: 'N',
    },
    times: { type: 'string', description: 'how many calls fail (default: all)', valueHint: 'N' },
    match: {
      type: 'string',
      description:
        'host: only commands with this text; controller: only paths that this regular expression fits',
    },
    method: { type: 'string', description: 'controller: only this HTTP method' },
    value: {
      type: 'string',
      description: 'seconds (down, hang, slow, dead, device), bytes (die), exit code (fail)',
      valueHint: 'N',
    },
    message: {
      type: 'string',
      description: 'satellite: what it says',
      default: 'Failed to execute a command',
    },
  },
  examples: [
    ['lab break host node1 refused', 'ssh to node1 is refused'],
    ['lab break host node2 die --value 1048576 --match dd', 'the connection breaks after 1 MiB of a dd'],
    ['lab break node node1', 'the satellite of node1 is offline'],
    ['lab break slow node2 --value 5', 'every pass and every view of node2 takes five seconds'],
    ['lab break hang node2', 'the satellite of node2 answers nothing, and LINSTOR does not notice'],
    ['lab break dead node3', 'node3 loses power: LINSTOR notices after nine seconds'],
    ['lab break cut node3', 'node3 keeps running and cannot be reached'],
    ['lab break pool node2 thin', 'no space left in the pool'],
    [
      'lab break controller POST lose --match snapshots --times 1',
      'one snapshot is made, but the answer is lost',
    ],
    ['lab mend', 'clear every fault'],
  ],
  run: async (args, { terminal, env }) => {
    const cluster = openLab(args.dir, env);
    const done = await breakIt(cluster, args);
    terminal.message('success', done);
    return 0;
  },
});

interface Wish {
  readonly what: string;
  readonly target?: string | undefined;
  readonly how?: string | undefined;
  readonly after?: string | undefined;
  readonly times?: string | undefined;
  readonly match?: string | undefined;
  readonly method?: string | undefined;
  readonly value?: string | undefined;
  readonly message?: string | undefined;
}

function needed(text: string | undefined, what: string): string {
  if (text === undefined || text === '')
    throw new DriverError('USAGE', `${what} is missing`, { remedy: 'see linstor_un lab break --help' });
  return text;
}

function hostFault(wish: Wish): HostFault {
  const mode = hostFaultModes.find((each) => each === (wish.how ?? 'refused'));
  if (!mode)
    throw new DriverError('USAGE', `a host cannot be “${wish.how}”`, {
      remedy: `one of ${hostFaultModes.join(', ')}`,
    });
  const value = wholeNumber('--value', wish.value);
  const skip = wholeNumber('--after', wish.after);
  const times = wholeNumber('--times', wish.times);
  const common = {
    ...(skip === undefined ? {} : { skip }),
    ...(times === undefined ? {} : { times }),
    ...(wish.match ? { match: wish.match } : {}),
  };
  switch (mode) {
    case 'down':
    case 'hang':
      return { mode, ...(value === undefined ? {} : { seconds: value }), ...common };
    case 'slow':
      return { mode, seconds: value ?? 5, ...common };
    case 'fail':
      return { mode, code: value ?? 1, ...common };
    case 'die':
      return { mode, bytes: value ?? 65_536, ...common };
    default:
      return { mode, ...common };
  }
}

async function breakIt(cluster: Cluster, wish: Wish): Promise<string> {
  switch (wish.what) {
    case 'host': {
      const host = needed(wish.target, 'the host');
      mustKnow(cluster, host);
      const fault = hostFault(wish);
      setHostFaults(cluster.dir, host, [fault]);
      return `ssh to ${host}: ${fault.mode}`;
    }
    case 'node': {
      const node = needed(wish.target, 'the node');
      const connection = wish.how?.toUpperCase() ?? 'OFFLINE';
      if (!connections.includes(connection))
        throw new DriverError('USAGE', `a node cannot be “${wish.how}”`, {
          remedy: `one of ${connections.join(', ')}`,
        });
      await strike(cluster, { kind: 'node', node, connection });
      return `the satellite of ${node} is ${connection}`;
    }
    case 'pool':
      return strike(cluster, {
        kind: 'pool',
        node: needed(wish.target, 'the node'),
        pool: wish.how ?? 'thin',
        freeKib: 0,
      });
    case 'device':
      return strike(cluster, {
        kind: 'device-late',
        node: needed(wish.target, 'the node'),
        seconds: wholeNumber('--value', wish.value ?? wish.how) ?? 5,
      });
    case 'satellite':
      return strike(cluster, {
        kind: 'satellite',
        node: needed(wish.target, 'the node'),
        message: wish.message ?? '',
      });
    case 'slow': {
      const node = needed(wish.target, 'the node');
      const seconds = wholeNumber('--value', wish.value ?? wish.how) ?? 5;
      await strike(cluster, { kind: 'slow', node, seconds });
      return `everything takes the satellite of ${node} ${seconds} s`;
    }
    case 'hang': {
      const node = needed(wish.target, 'the node');
      await strike(cluster, { kind: 'hang-node', node, ...seconds(wish) });
      return `the satellite of ${node} answers nothing`;
    }
    case 'starved': {
      const node = needed(wish.target, 'the node');
      await strike(cluster, { kind: 'starved', node });
      return `DRBD on ${node} has lost its peers, and quorum`;
    }
    case 'dead': {
      const node = needed(wish.target, 'the host');
      mustKnow(cluster, node);
      await strike(cluster, { kind: 'dead', node, seconds: DEATH_SECONDS, ...seconds(wish) });
      setHostFaults(cluster.dir, node, [{ mode: 'down' }]);
      return `${node} has no power`;
    }
    case 'cut': {
      const far = needed(wish.target, 'the host').split(',');
      for (const name of far) mustKnow(cluster, name);
      const [node, ...others] = far;
      await strike(cluster, {
        kind: 'cut',
        node,
        ...(others.length > 0 ? { with: others } : {}),
        seconds: DEATH_SECONDS,
        ...seconds(wish),
      });
      for (const name of far) setHostFaults(cluster.dir, name, [{ mode: 'down' }]);
      return `the network between ${far.join(', ')} and the rest is cut`;
    }
    case 'controller':
      return breakController(cluster, wish);
    default:
      throw new DriverError('USAGE', `“${wish.what}” cannot be broken`, {
        remedy: `one of ${kinds.join(', ')}`,
      });
  }
}

/** A real controller takes that long to notice a power cut. */
const DEATH_SECONDS = 9;

function seconds(wish: Wish): { seconds?: number } {
  const value = wholeNumber('--value', wish.value ?? wish.how);
  return value === undefined ? {} : { seconds: value };
}

function mustKnow(cluster: Cluster, host: string): void {
  const { nodes } = cluster.description;
  if (!nodes.includes(host))
    throw new DriverError('USAGE', `the lab has no host ${host}`, { remedy: `one of ${nodes.join(', ')}` });
}

/** States of a satellite's connection that LINSTOR knows (linstor-behaviour §1). */
const connections: readonly string[] = [
  'OFFLINE',
  'CONNECTED',
  'ONLINE',
  'VERSION_MISMATCH',
  'FULL_SYNC_FAILED',
  'AUTHENTICATION_ERROR',
  'HOSTNAME_MISMATCH',
  'OTHER_CONTROLLER',
  'NO_STLT_CONN',
  'UNKNOWN',
];

/** A cluster fault is there at once, and stays. */
async function strike(cluster: Cluster, fault: Record<string, unknown>): Promise<string> {
  await admin(cluster, 'POST', '/lab/strike', fault);
  return `${fault['kind']} on ${fault['node']}`;
}

const answers: Readonly<Record<string, (seconds: number) => Record<string, unknown>>> = {
  drop: () => ({ kind: 'drop', when: 'before' }),
  hang: (seconds) => ({ kind: 'hang', seconds }),
  lose: () => ({ kind: 'lose' }),
  refuse: () => ({ kind: 'refuse' }),
  truncate: () => ({ kind: 'truncate' }),
};

async function breakController(cluster: Cluster, wish: Wish): Promise<string> {
  // `controller lose` and `controller POST lose` both read well.
  const words = [wish.target, wish.how].filter((word) => word !== undefined && word !== '');
  const method = wish.method ?? words.find((word) => /^(GET|POST|PUT|DELETE|PATCH)$/i.test(word ?? ''));
  const how = words.find((word) => word !== method) ?? 'drop';
  if (/^\d+$/.test(how) && (Number(how) < 1 || Number(how) > 0x7fff))
    throw new DriverError('USAGE', `${how} is not a LINSTOR return code`, {
      remedy: '1 to 32767; 998 is an unexpected error',
    });
  const fault = /^\d+$/.test(how)
    ? { kind: 'code', code: Number(how) }
    : answers[how]?.(wholeNumber('--value', wish.value) ?? 30);
  if (!fault)
    throw new DriverError('USAGE', `the controller cannot “${how}”`, {
      remedy: `one of ${Object.keys(answers).join(', ')}, or a return code`,
    });
  const after = wholeNumber('--after', wish.after);
  const times = wholeNumber('--times', wish.times);
  await addRule(cluster, {
    ...(method ? { method: method.toUpperCase() } : {}),
    ...(wish.match ? { path: wish.match } : {}),
    ...(after === undefined ? {} : { nth: after + 1 }),
    ...(times ? { times } : {}),
    fault,
  });
  return `the controller: ${how}${method ? ` for ${method.toUpperCase()}` : ''}${wish.match ? ` of ${wish.match}` : ''}`;
}

async function addRule(cluster: Cluster, rule: Record<string, unknown>): Promise<void> {
  const known = (await admin(cluster, 'GET', '/lab/faults')) as ArmedRule[];
  await admin(cluster, 'PUT', '/lab/faults', [...known.flatMap(whatIsLeft), rule]);
}

interface ArmedRule {
  readonly rule: { readonly nth?: number; readonly times?: number };
  readonly seen: number;
  readonly fired: number;
}

/** Setting rules starts their counters anew: one that has struck must not strike again. */
function whatIsLeft({ rule, seen, fired }: ArmedRule): unknown[] {
  const { nth, times } = rule;
  if (times !== undefined && fired >= times) return [];
  if (nth !== undefined && seen >= nth) return [];
  return [
    {
      ...rule,
      ...(times === undefined ? {} : { times: times - fired }),
      ...(nth === undefined ? {} : { nth: nth - seen }),
    },
  ];
}

async function admin(cluster: Cluster, method: string, path: string, body?: unknown): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`${cluster.linstorUrl}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    throw new DriverError('LAB', 'the lab is not running', { remedy: 'start it with `linstor_un lab up`' });
  }
  const answer: unknown = await response.json();
  if (!response.ok)
    throw new DriverError('USAGE', (answer as { error?: string }).error ?? `HTTP ${response.status}`);
  return answer;
}

export const labMend = operatorCommand({
  name: 'lab mend',
  summary: 'Clear faults: all of them, or those of one host or node.',
  args: { target: { type: 'positional', description: 'host or node', required: false }, dir: dirOption },
  examples: [
    ['lab mend', 'clear every fault'],
    ['lab mend node1', 'clear the faults of node1'],
  ],
  run: async ({ target, dir }, { terminal, env }) => {
    const cluster = openLab(dir, env);
    if (target) mustKnow(cluster, target);
    for (const name of target ? [target] : cluster.description.nodes) setHostFaults(cluster.dir, name, []);
    if (!target) await admin(cluster, 'DELETE', '/lab/faults');
    await admin(cluster, 'POST', '/lab/mend', target ? { node: target } : {});
    terminal.message('success', `cleared: ${target ?? 'everything'}`);
    return 0;
  },
});
