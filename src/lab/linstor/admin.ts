import { z } from 'zod';
import type { Fault, FaultRule } from './faults.ts';
import { generationNames, generationOf } from './generation.ts';
import { findDefinition } from './model/definition.ts';
import { findResource } from './model/resource.ts';
import type { Runtime } from './runtime.ts';
import { restartController, setConnection } from './satellite/connection.ts';
import { setInUse } from './satellite/usage.ts';
import { damage, mendCluster, strikeNow } from './strike.ts';

/**
 * What a person or a test does to the lab itself, outside of LINSTOR's own paths:
 *
 * - `GET  /lab`                     generation, nodes, faults
 * - `PUT  /lab/faults`              list of rules (see faults.ts); `GET` shows them with their counters
 * - `DELETE /lab/faults`            none any more
 * - `POST /lab/strike`            a fault of the cluster, at once
 * - `POST /lab/mend`              `{"node"?}`: takes such faults back
 * - `GET  /lab/calls`             what each call cost the satellites; `DELETE` begins anew
 * - `PUT  /lab/nodes/{node}`        `{"connection": "OFFLINE"}`; ONLINE brings it back, `{"flags": ["EVICTED"]}`
 * - `PUT  /lab/resources/{rd}/{node}` `{"in_use": true}` or `{"disk_state": "Outdated"}` (null: as it is)
 * - `PUT  /lab/generation`          `{"generation": "1.27"}`
 * - `PUT  /lab/encryption`          `{"locked": true}`: as after a restart of the controller
 * - `PUT  /lab/tuning`              `{"cloneSeconds": 2, "syncSeconds": 5}`
 * - `POST /lab/restart`              `{"seconds": 1}`: the controller restarts; nodes return after that long
 * - `POST /lab/clock`               `{"advanceSeconds": 60}`
 */
export const adminPaths = /^\/lab(\/|$)/;

const fault = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('code'),
    code: z.number(),
    message: z.string().optional(),
    status: z.number().optional(),
  }),
  z.strictObject({ kind: z.literal('drop'), when: z.enum(['before', 'after']) }),
  z.strictObject({ kind: z.literal('lose') }),
  z.strictObject({
    kind: z.literal('hang'),
    seconds: z.number(),
    afterwards: z.enum(['answer', 'drop']).optional(),
  }),
  z.strictObject({ kind: z.literal('truncate') }),
  z.strictObject({ kind: z.literal('refuse') }),
  z.strictObject({ kind: z.literal('redirect'), to: z.string() }),
  z.strictObject({ kind: z.literal('unauthorised') }),
  z.strictObject({ kind: z.literal('node'), node: z.string(), connection: z.string() }),
  z.strictObject({
    kind: z.literal('pool'),
    node: z.string(),
    pool: z.string(),
    freeKib: z.number().nullable(),
  }),
  z.strictObject({ kind: z.literal('device-late'), node: z.string(), seconds: z.number() }),
  z.strictObject({ kind: z.literal('satellite'), node: z.string(), message: z.string() }),
  z.strictObject({ kind: z.literal('slow'), node: z.string(), seconds: z.number() }),
  z.strictObject({ kind: z.literal('starved'), node: z.string() }),
  z.strictObject({ kind: z.literal('hang-node'), node: z.string(), seconds: z.number().optional() }),
  z.strictObject({ kind: z.literal('dead'), node: z.string(), seconds: z.number().optional() }),
  z.strictObject({
    kind: z.literal('cut'),
    node: z.string(),
    with: z.array(z.string()).optional(),
    seconds: z.number().optional(),
  }),
]);
const rule = z.strictObject({
  method: z.string().optional(),
  path: z.string().optional(),
  nth: z.number().int().positive().optional(),
  times: z.number().int().positive().optional(),
  fault,
});

const nodeChange = z.strictObject({
  connection: z.string().optional(),
  flags: z.array(z.string()).optional(),
});
const resourceChange = z.strictObject({
  in_use: z.boolean().optional(),
  disk_state: z.string().nullable().optional(),
});
const tuningChange = z.strictObject({
  cloneSeconds: z.number().optional(),
  syncSeconds: z.number().optional(),
  snapshotSeconds: z.number().optional(),
  evacuateSeconds: z.number().optional(),
});

export async function handleAdmin(lab: Runtime, method: string, url: URL, text: string): Promise<Response> {
  const [, , what = '', first = '', second = ''] = url.pathname.split('/').map(decodeURIComponent);
  try {
    const body: unknown = text.trim() === '' ? {} : JSON.parse(text);
    return Response.json(await change(lab, `${method} ${what}`, [first, second], body));
  } catch (error) {
    return Response.json({ error: error instanceof Error ? error.message : String(error) }, { status: 400 });
  }
}

async function change(
  lab: Runtime,
  what: string,
  [first, second]: readonly [string, string],
  body: unknown,
): Promise<unknown> {
  const { faults, state } = lab;
  switch (what) {
    case 'GET ':
      return overview(lab);
    case 'GET faults':
      return faults.list();
    case 'PUT faults':
      faults.set(z.array(rule).parse(body) as FaultRule[]);
      return faults.list();
    case 'DELETE faults':
      faults.clear();
      return [];
    case 'GET calls':
      return { totals: lab.work.totals(), calls: lab.work.calls() };
    case 'DELETE calls':
      lab.work.forget();
      return lab.work.totals();
    case 'POST strike':
      return lab.exclusively(() => strikeNow(lab, fault.parse(body) as Fault));
    case 'POST mend':
      return lab.exclusively(() =>
        mendCluster(lab, z.strictObject({ node: z.string().optional() }).parse(body).node),
      );
    case 'PUT nodes':
      return lab.exclusively(() => changeNode(lab, first, nodeChange.parse(body)));
    case 'PUT resources':
      return changeResource(lab, first, second, resourceChange.parse(body));
    case 'PUT generation':
      lab.use(
        z.strictObject({ generation: z.enum(generationNames as [string, ...string[]]) }).parse(body)
          .generation as typeof state.generation,
      );
      lab.save();
      return overview(lab);
    case 'PUT encryption':
      state.encryption.locked = z.strictObject({ locked: z.boolean() }).parse(body).locked;
      lab.save();
      return overview(lab);
    case 'PUT tuning':
      Object.assign(lab.tuning, withoutUndefined(tuningChange.parse(body)));
      return lab.tuning;
    case 'POST restart':
      restartController(lab, z.strictObject({ seconds: z.number() }).parse(body).seconds);
      return overview(lab);
    case 'POST clock':
      lab.advance(z.strictObject({ advanceSeconds: z.number() }).parse(body).advanceSeconds * 1000);
      return { now: new Date(lab.now()).toISOString() };
    default:
      throw new Error(`the lab knows no '${what} ${first}'`);
  }
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return JSON.parse(JSON.stringify(value)) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function overview(lab: Runtime): unknown {
  const { state } = lab;
  return {
    generation: state.generation,
    version: generationOf(state.generation).version,
    nodes: state.nodes.map(({ name, connection, flags }) => ({ name, connection, flags })),
    definitions: state.definitions.map((definition) => definition.name),
    faults: lab.faults.list(),
    damage: damage(lab),
    tuning: lab.tuning,
  };
}

async function changeNode(lab: Runtime, name: string, wish: z.infer<typeof nodeChange>): Promise<unknown> {
  if (wish.connection) await setConnection(lab, name, wish.connection);
  const node = lab.state.nodes.find((item) => item.name === name);
  if (!node) throw new Error(`the lab has no node '${name}'`);
  if (wish.flags) node.flags = wish.flags;
  return { name, connection: node.connection, flags: node.flags };
}

function changeResource(
  lab: Runtime,
  name: string,
  node: string,
  wish: z.infer<typeof resourceChange>,
): unknown {
  const definition = findDefinition(lab.state, name);
  const resource = definition && findResource(definition, node);
  if (!resource) throw new Error(`the lab has no resource '${name}' on '${node}'`);
  if (wish.in_use !== undefined) setInUse(lab, name, node, wish.in_use);
  if (wish.disk_state !== undefined) {
    for (const volume of resource.volumes) {
      if (wish.disk_state === null) delete volume.diskState;
      else volume.diskState = wish.disk_state;
    }
    lab.save();
  }
  return { name, node, in_use: resource.drbd?.inUse ?? false };
}
