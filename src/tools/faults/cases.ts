import { readFileSync } from 'node:fs';
import { type HostFault, setHostFaults } from '../../lab/hosts/faults.ts';
import { hostPath } from '../../lab/hosts/hosts.ts';
import { retCode } from '../../lab/linstor/rest/codes.ts';
import type { Strike } from './proxy.ts';
import { type FaultWorld, nodes } from './world.ts';

/** How the action itself is treated. */
export type Ending =
  /** Left alone. */
  | 'none'
  | 'SIGTERM'
  /** Killed; then the same call again. */
  | 'SIGKILL'
  /** Killed; then OpenNebula cleans up without another try. */
  | 'SIGKILL, given up';

export interface Hit {
  /** The call that the fault waits at has been reached; ends the action if it shall be ended. */
  readonly reached: () => Promise<void>;
}

export interface Case {
  /** `linstor POST /v1/… #2` */
  readonly call: string;
  readonly fault: string;
  readonly ending: Ending;
  /** The fault outlives the call: undo steps cannot get through, so leftovers are allowed until the retry. */
  readonly lasting?: boolean;
  /** Arms it. */
  readonly arm: (world: FaultWorld, hit: Hit) => void;
  /** Was the call made at all? */
  readonly struck: (world: FaultWorld) => boolean;
}

/** What an undisturbed run called. */
export interface Footprint {
  readonly linstor: readonly string[];
  readonly one: readonly string[];
  /** By host: texts of the commands. */
  readonly ssh: Readonly<Record<string, readonly string[]>>;
}

const errorEntry = (code: number, message: string): string =>
  `{"ret_code":${retCode('error', code)},"message":"${message}","created_at":"2026-01-01T00:00:00+00:00"}`;

/** A refusal that LINSTOR typically has for a call of this kind. */
function typicalCode(call: string): number {
  if (call.startsWith('DELETE')) return 997;
  if (call.startsWith('PUT')) return 995;
  if (/autoplace|make-available|\/resources/.test(call)) return 996;
  return call.includes('snapshot') ? 974 : 999;
}

const refusal = (code: number): Strike => ({
  kind: 'answer',
  status: 500,
  text: `[${errorEntry(code, 'Fault of the matrix')}]`,
});

/** A 2xx whose list holds an error behind what was done. Something that is no list of entries stays as it is. */
const errorInside: Strike = {
  kind: 'rewrite',
  change: (text) =>
    text.trimEnd().endsWith(']')
      ? `${text.trimEnd().slice(0, -1)},${errorEntry(998, 'Failed on the way')}]`
      : text,
};

/** Its database is one from just before the call. */
function takesOverForgetful(world: FaultWorld): Strike {
  let database = '';
  return {
    kind: 'dies',
    before: () => {
      database = world.database();
    },
    after: async () => world.takeOver(database),
  };
}

const isQuery = (call: string): boolean => /query-size-info|query-max-volume-size/.test(call);
const isRead = (call: string): boolean => call.startsWith('GET ') || isQuery(call);

export function casesOf(footprint: Footprint, options: { makesImage: boolean }): Case[] {
  return [
    ...numbered(footprint.linstor).flatMap(([call, nth]) => linstorCases(call, nth, options.makesImage)),
    ...numbered(footprint.one).flatMap(([call, nth]) => oneCases(call, nth)),
    ...nodes.flatMap((host) =>
      (footprint.ssh[host] ?? []).flatMap((command, nth) =>
        sshCases(host, nth, options.makesImage).filter((each) => !outwaits(command, each)),
      ),
    ),
  ];
}

/** A guest that is being frozen may keep us waiting for its 90 s; an answer that never comes takes as long. */
const outwaits = (command: string, each: Case): boolean =>
  command.includes('domfsfreeze') && (each.fault === 'answer lost' || each.fault === 'dies mid-stream');

function numbered(calls: readonly string[]): [string, number][] {
  return calls.map((call, index) => [call, calls.slice(0, index).filter((other) => other === call).length]);
}

function linstorCases(call: string, nth: number, makesImage: boolean): Case[] {
  const name = `linstor ${call}${nth === 0 ? '' : ` #${nth + 1}`}`;
  const one = (
    fault: string,
    strike: (world: FaultWorld, hit: Hit) => Strike,
    ending: Ending = 'none',
    lasting = false,
  ): Case => ({
    call: name,
    fault,
    ending,
    lasting,
    arm: (world, hit) => world.linstorProxy.aim({ call, nth, strike: strike(world, hit) }),
    struck: (world) => world.linstorProxy.struck,
  });
  const reads = [
    one('code 998', () => refusal(998)),
    one('dropped before', () => ({ kind: 'drop-before' })),
    one('truncated JSON', () => ({ kind: 'truncate' })),
    one('SIGTERM', (_, hit) => ({ kind: 'hold', held: hit.reached, execute: true }), 'SIGTERM'),
  ];
  if (isRead(call)) return reads;
  const code = typicalCode(call);
  return [
    ...reads,
    one(`code ${code}`, () => refusal(code)),
    one('answer lost', () => ({ kind: 'lose' })),
    one('controller gone after', () => ({ kind: 'gone' }), 'none', true),
    one('another controller takes over', (world) => ({
      kind: 'dies',
      before: () => undefined,
      after: async () => world.takeOver(world.database()),
    })),
    one('another takes over, having forgotten it', takesOverForgetful),
    one('another takes over, having forgotten the action', (world) => {
      const database = world.database();
      return { kind: 'dies', before: () => undefined, after: async () => world.takeOver(database) };
    }),
    one('2xx with an error inside', () => errorInside),
    one('satellite fails', (world) => ({
      kind: 'around',
      before: () => {
        for (const node of nodes) world.lab.runtime.faults.satelliteErrors.set(node, 'Fault of the matrix');
      },
      after: () => world.lab.runtime.faults.satelliteErrors.clear(),
    })),
    one('SIGKILL before', (_, hit) => ({ kind: 'hold', held: hit.reached, execute: false }), 'SIGKILL'),
    one('SIGKILL after', (_, hit) => ({ kind: 'hold', held: hit.reached, execute: true }), 'SIGKILL'),
    ...(makesImage
      ? []
      : [
          one(
            'SIGKILL after, given up',
            (_, hit) => ({ kind: 'hold', held: hit.reached, execute: true }),
            'SIGKILL, given up',
          ),
        ]),
  ];
}

const xmlFault =
  '<?xml version="1.0"?><methodResponse><params><param><value><array><data><value><boolean>0</boolean></value><value><string>[one] Internal error</string></value><value><i4>8192</i4></value></data></array></value></param></params></methodResponse>';

function oneCases(call: string, nth: number): Case[] {
  const strikes: readonly [string, Strike][] = [
    ['connection dropped', { kind: 'drop-before' }],
    ['oned away', { kind: 'gone' }],
    ['HTTP 500', { kind: 'answer', status: 500, text: 'Internal Server Error' }],
    ['XML-RPC error', { kind: 'answer', status: 200, text: xmlFault }],
    ['truncated XML', { kind: 'truncate' }],
  ];
  return strikes.map(([fault, strike]) => ({
    call: `one ${call}${nth === 0 ? '' : ` #${nth + 1}`}`,
    fault,
    ending: 'none',
    arm: (world) => world.oneProxy.aim({ call, nth, strike }),
    struck: (world) => world.oneProxy.struck,
  }));
}

function sshCases(host: string, nth: number, makesImage: boolean): Case[] {
  const one = (fault: string, rule: HostFault, ending: Ending = 'none', lasting = false): Case => ({
    call: `ssh ${host} #${nth + 1}`,
    fault,
    ending,
    lasting,
    arm: (world, hit) => {
      setHostFaults(world.cluster.dir, host, [rule]);
      if (ending !== 'none') void untilUsed(world, host).then(hit.reached);
    },
    struck: (world) => lasting || ruleUsed(world, host),
  });
  const once = { skip: nth, times: 1 } as const;
  return [
    one('refused', { mode: 'refused', ...once }),
    one('refused from here', { mode: 'refused', skip: nth }, 'none', true),
    one('answer lost', { mode: 'lost', ...once }),
    one('dies mid-stream', { mode: 'die', bytes: 24, ...once }),
    one('fails', { mode: 'fail', code: 1, ...once }),
    one('SIGTERM', { mode: 'slow', seconds: 1, ...once }, 'SIGTERM'),
    one('SIGKILL before', { mode: 'hang', seconds: 30, ...once }, 'SIGKILL'),
    one('SIGKILL after', { mode: 'slow', seconds: 1, ...once }, 'SIGKILL'),
    ...(makesImage
      ? []
      : [one('SIGKILL after, given up', { mode: 'slow', seconds: 1, ...once }, 'SIGKILL, given up')]),
  ];
}

/** A rule that is used up is gone from the file. */
function ruleUsed(world: FaultWorld, host: string): boolean {
  try {
    return readFileSync(hostPath(world.cluster.dir, host, 'fault'), 'utf8') === '';
  } catch {
    return false;
  }
}

async function untilUsed(world: FaultWorld, host: string): Promise<void> {
  for (let tries = 0; tries < 2000 && !ruleUsed(world, host); tries += 1) await Bun.sleep(5);
}
