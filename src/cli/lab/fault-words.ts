import type { Fault, FaultRule } from '../../lab/linstor/faults.ts';

/** Rules of the simulated controller, as a person reads them. */

export interface ArmedRule {
  readonly rule: FaultRule;
  readonly seen: number;
  readonly fired: number;
}

function what(fault: Fault): string {
  switch (fault.kind) {
    case 'code':
      return `answered with return code ${fault.code}, and nothing is changed`;
    case 'drop':
      return fault.when === 'before'
        ? 'cut off before anything is done'
        : 'done, but cut off before the answer';
    case 'lose':
      return 'done, but the answer is lost';
    case 'hang':
      return `held up for ${fault.seconds} s${fault.afterwards === 'drop' ? ' and then cut off' : ''}`;
    case 'truncate':
      return 'done, but half of the answer is missing';
    case 'refuse':
      return 'refused: the connection closes at once';
    case 'redirect':
      return `sent to ${fault.to}`;
    case 'unauthorised':
      return 'refused for want of a password';
    case 'node':
      return `the moment at which ${fault.node} becomes ${fault.connection}`;
    case 'pool':
      return `the moment at which pool ${fault.pool} of ${fault.node} is full`;
    case 'device-late':
      return `the moment from which new devices of ${fault.node} come ${fault.seconds} s late`;
    case 'satellite':
      return `the moment at which the satellite of ${fault.node} fails`;
    case 'slow':
      return `the moment from which the satellite of ${fault.node} takes ${fault.seconds} s for everything`;
    case 'starved':
      return `the moment at which DRBD on ${fault.node} loses its peers`;
    case 'dead':
      return `the moment at which ${fault.node} loses power`;
    case 'cut':
      return `the moment at which the network is cut between ${[fault.node, ...(fault.with ?? [])].join(', ')} and the rest`;
    case 'hang-node':
      return `the moment at which the satellite of ${fault.node} stops answering`;
    case 'resize-late':
      return `answered before the resize is done, which takes ${fault.seconds} s more`;
  }
}

/** `the 2nd POST whose path fits "snapshots" is …; seen 3, struck 1`. */
export function inWords({ rule, seen, fired }: ArmedRule): string {
  const { method, path, nth, times, fault } = rule;
  const calls = `${method ?? 'call'} of the controller${path === undefined ? '' : ` whose path fits “${path}”`}`;
  const which = nth === undefined ? `every ${calls}` : `number ${nth} of each ${calls}`;
  const most = times === undefined ? '' : `, at most ${times} ${times === 1 ? 'time' : 'times'}`;
  return `${which}${most} is ${what(fault)} (seen ${seen}, struck ${fired})`;
}
