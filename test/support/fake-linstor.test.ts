import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServedLab, serveLinstor } from '../../src/lab/linstor/serve.ts';
import { isLinstorError } from '../../src/linstor/error.ts';
import type { Linstor, ResourceGroup } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import type { Outcome } from '../../src/linstor/outcome.ts';
import { RestLinstor } from '../../src/linstor/rest/rest.ts';
import { kib } from '../../src/units.ts';
import { FakeLinstor } from './fake-linstor.ts';

/**
 * The stand-in in memory does what the lab does, which is held to recordings: the same calls, one after the other, to both; what is
 * compared is how each ends, and which replicas there are afterwards.
 */

const nodes = ['host1', 'host2', 'host3'];
const groups: readonly ResourceGroup[] = [
  {
    name: 'two',
    props: {},
    filter: { placeCount: 2, layers: ['DRBD', 'STORAGE'], nodes: [nodeName('host1'), nodeName('host2')] },
  },
  { name: 'plain', props: {}, filter: { placeCount: 1, layers: ['STORAGE'], nodes: [nodeName('host1')] } },
];

const dir = mkdtempSync(join(tmpdir(), 'fake-linstor-'));
let served: ServedLab;
let lab: Linstor;
const fake = new FakeLinstor({ nodes, provider: 'FILE_THIN', groups });

beforeAll(async () => {
  served = serveLinstor({
    dir,
    nodes: nodes.map((name) => ({ name, pools: [{ name: 'thin', provider: 'FILE_THIN' }] })),
  });
  lab = new RestLinstor({ controllers: [served.url], transport: 'rest', linstorCommand: 'linstor' });
  for (const { name, filter } of groups)
    await fetch(`${served.url}/v1/resource-groups`, {
      method: 'POST',
      body: JSON.stringify({
        name,
        select_filter: {
          place_count: filter.placeCount,
          layer_stack: filter.layers,
          node_name_list: filter.nodes,
        },
      }),
    });
});
afterAll(async () => {
  await served.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Codes that mean something to the driver; successes say more on a real controller, and other things. */
const telling = ['WARN_NOT_CONNECTED', 'WARN_RSC_ALREADY_DEPLOYED', 'WARN_NOT_FOUND'] as const;

async function ending(work: Promise<Outcome>): Promise<string> {
  try {
    const outcome = await work;
    const warned = telling.filter((code) => outcome.has('warning', code));
    return warned.length > 0 ? `warning ${warned.join(' ')}` : 'done';
  } catch (error) {
    if (!isLinstorError(error)) throw error;
    return `${error.code} ${error.linstorCode}`;
  }
}

async function where(linstor: Linstor): Promise<string[]> {
  return (await linstor.resources())
    .map(({ name, node, flags }) => `${name} ${node} ${[...flags].sort().join(',')}`.trimEnd())
    .sort();
}

/** Opened and closed on both sides. */
async function setInUse(name: string, node: string, inUse: boolean): Promise<void> {
  fake.setInUse(name, node, inUse);
  served.lab.setInUse(name, node, inUse);
}

async function setOnline(node: string, online: boolean): Promise<void> {
  if (online) fake.offline.delete(node);
  else fake.offline.add(node);
  await served.lab.setConnection(node, online ? 'ONLINE' : 'OFFLINE');
}

type Call = (linstor: Linstor) => Promise<Outcome>;
const steps: readonly (readonly [what: string, step: Call | (() => Promise<void>)])[] = [
  ['spawn', (linstor) => linstor.spawn('two', resourceName('rr'), [kib(65536)])],
  ['spawn again, in another case', (linstor) => linstor.spawn('two', resourceName('RR'), [kib(65536)])],
  ['spawn in no group', (linstor) => linstor.spawn('none', resourceName('ss'), [kib(65536)])],
  ['make-available where it is', (linstor) => linstor.makeAvailable(resourceName('rr'), nodeName('host1'))],
  [
    'make-available on the tie-breaker',
    (linstor) => linstor.makeAvailable(resourceName('rr'), nodeName('host3')),
  ],
  ['make-available of nothing', (linstor) => linstor.makeAvailable(resourceName('none'), nodeName('host3'))],
  ['make-available nowhere', (linstor) => linstor.makeAvailable(resourceName('rr'), nodeName('host9'))],
  ['opened', () => setInUse('rr', 'host3', true)],
  ['delete a replica in use', (linstor) => linstor.deleteResource(resourceName('rr'), nodeName('host3'))],
  ['delete a definition in use', (linstor) => linstor.deleteDefinition(resourceName('rr'))],
  ['closed', () => setInUse('rr', 'host3', false)],
  ['delete the diskless one', (linstor) => linstor.deleteResource(resourceName('rr'), nodeName('host3'))],
  ['delete what is not there', (linstor) => linstor.deleteResource(resourceName('rr'), nodeName('host9'))],
  ['delete of nothing', (linstor) => linstor.deleteResource(resourceName('none'), nodeName('host1'))],
  ['modify', (linstor) => linstor.modifyDefinition(resourceName('rr'), { set: { 'Aux/a': '1' } })],
  ['modify nothing', (linstor) => linstor.modifyDefinition(resourceName('none'), { set: { 'Aux/a': '1' } })],
  ['place enough', (linstor) => linstor.place(resourceName('rr'), { placeCount: 2 })],
  ['place too many', (linstor) => linstor.place(resourceName('rr'), { placeCount: 9 })],
  ['host3 goes away', () => setOnline('host3', false)],
  [
    'modify with one away',
    (linstor) => linstor.modifyDefinition(resourceName('rr'), { set: { 'Aux/a': '2' } }),
  ],
  ['host3 returns', () => setOnline('host3', true)],
  ['delete', (linstor) => linstor.deleteDefinition(resourceName('rr'))],
  ['delete again', (linstor) => linstor.deleteDefinition(resourceName('rr'))],
  ['spawn plain storage', (linstor) => linstor.spawn('plain', resourceName('pp'), [kib(65536)])],
  [
    'make-available of plain storage elsewhere makes an empty one',
    (linstor) => linstor.makeAvailable(resourceName('pp'), nodeName('host1')),
  ],
  [
    'create where it is',
    (linstor) => linstor.createResource(resourceName('pp'), nodeName('host1'), { pool: 'thin' }),
  ],
  [
    'create nowhere',
    (linstor) => linstor.createResource(resourceName('pp'), nodeName('host9'), { pool: 'thin' }),
  ],
  [
    'create diskless without DRBD',
    (linstor) => linstor.createResource(resourceName('pp'), nodeName('host2'), { diskless: true }),
  ],
  ['delete plain storage', (linstor) => linstor.deleteDefinition(resourceName('pp'))],
];

describe('FakeLinstor does as the lab does', () => {
  test.each(steps)('%s', async (_what, step) => {
    if (step.length === 0) {
      await (step as () => Promise<void>)();
    } else {
      const call = step as Call;
      const [there, here] = [await ending(call(lab)), await ending(call(fake))];
      expect(here).toBe(there);
    }
    expect(await where(fake)).toEqual(await where(lab));
  });
});
