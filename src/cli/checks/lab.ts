import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Finding } from './check.ts';

/** In a lab's shell oned, hosts and kernels are stand-ins: what is wrong with them is no trouble of anybody's. */

/** Directory of the lab whose environment this is. */
export function labOf(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const [lab, location] = [env['LINSTOR_UN_LAB'], env['ONE_LOCATION']];
  if (!lab || !location || resolve(location) !== join(resolve(lab), 'one')) return undefined;
  return existsSync(join(lab, 'lab.json')) ? resolve(lab) : undefined;
}

/** What a lab does not have; what stands for it is made by `lab up`. */
const standIns: ReadonlySet<string> = new Set(['Installation', 'Registration']);
const ofKernels: ReadonlySet<string> = new Set(['hosts.drbd', 'hosts.rights']);

export function withoutStandIns<T extends { readonly title: string; readonly findings: readonly Finding[] }>(
  lab: string,
  sections: readonly T[],
): { title: string; findings: readonly Finding[] }[] {
  const notice: Finding = {
    id: 'lab',
    severity: 'ok',
    object: lab,
    what: 'a lab: its installation, its registration and its hosts’ kernels are simulated and not checked',
  };
  return [
    { title: 'Lab', findings: [notice] },
    ...sections
      .filter(({ title }) => !standIns.has(title))
      .map(({ title, findings }) => ({ title, findings: findings.filter(({ id }) => !ofKernels.has(id)) })),
  ];
}
