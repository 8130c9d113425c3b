import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { applyPlan } from '../../src/install/apply.ts';
import { type Layout, layoutOf } from '../../src/install/layout.ts';
import { readManifest } from '../../src/install/manifest.ts';
import { planInstallation } from '../../src/install/plan.ts';
import { planRemoval, remove } from '../../src/install/remove.ts';
import { FrontEnd, onedConf } from './fixtures.ts';

const place = '/var/lib/one/remotes/scheduler/linstor_un/place';
const scheduled = (placer: string): string =>
  `${onedConf}\nSCHED_MAD = [\n      EXECUTABLE = "one_sched",\n      ARGUMENTS  = "-t 15 -p ${placer} -o one_drs"\n]\n`;

let frontEnd: FrontEnd;
let layout: Layout;
beforeEach(() => {
  frontEnd = new FrontEnd();
  layout = layoutOf({ root: frontEnd.root });
  frontEnd.write('/etc/one/oned.conf', scheduled('rank'), 0o640);
});
afterEach(() => frontEnd.remove());

function install(placer?: boolean): number {
  const options = placer === undefined ? {} : { placer };
  const plan = planInstallation(layout, frontEnd.binary, readManifest(layout), options);
  applyPlan(layout, plan.steps, '2.0.0', new Date(0));
  return plan.steps.length;
}
function uninstall(): void {
  const manifest = readManifest(layout);
  if (!manifest) throw new Error('nothing is installed');
  remove(layout, planRemoval(layout, manifest, { purge: true }));
}

describe('the placer', () => {
  test('is not installed unless it is asked for', () => {
    install();
    expect(frontEnd.read('/etc/one/oned.conf')).toContain('-p rank');
    expect(() => frontEnd.read(place)).toThrow('ENOENT');
  });

  test('asked for, later too: it hands on to the one before, stays with the next installation, and goes to the byte', () => {
    const before = frontEnd.snapshot();
    install();
    install(true);
    expect(frontEnd.read('/etc/one/oned.conf')).toContain('"-t 15 -p linstor_un -o one_drs"');
    expect(frontEnd.read(place)).toContain('\nnext=rank\n');
    expect(statSync(frontEnd.path(place)).mode & 0o777).toBe(0o755);
    expect([install(), install(true)]).toEqual([0, 0]);
    uninstall();
    expect(frontEnd.snapshot()).toEqual(before);
  });

  test('goes as well from a file that was edited since', () => {
    frontEnd.write('/etc/one/oned.conf', scheduled('one_drs'), 0o640);
    install(true);
    expect(frontEnd.read(place)).toContain('\nnext=one_drs\n');
    frontEnd.write('/etc/one/oned.conf', `# mine\n${frontEnd.read('/etc/one/oned.conf')}`, 0o640);
    uninstall();
    expect(frontEnd.read('/etc/one/oned.conf')).toBe(`# mine\n${scheduled('one_drs')}`);
  });
});
