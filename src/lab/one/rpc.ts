import { datastoreXml, hookXml, hostXml, imageXml, vmXml } from './documents.ts';
import type { OneState } from './model.ts';

/**
 * oned's XML-RPC, as far as a storage driver asks (contract §8.2): request and answer as data. What is not known is
 * answered with the fault of an unknown method, never with an empty document.
 */

export type RpcValue = string | number | boolean;

export interface RpcCall {
  readonly method: string;
  readonly params: readonly RpcValue[];
}

const codes = { authentication: 0x0100, noExists: 0x0400, api: 0x1000 } as const;

export interface RpcFailure {
  readonly ok: false;
  readonly code: number;
  readonly message: string;
  readonly id: number;
}
export type RpcResult = { readonly ok: true; readonly body: string } | RpcFailure;

interface MethodContext {
  readonly state: OneState;
  readonly location: string;
}

type Method = (context: MethodContext, params: readonly RpcValue[]) => string | RpcFailure;

const missing = (method: string, kind: string, id: number): RpcFailure => ({
  ok: false,
  code: codes.noExists,
  message: `[${method}] Error getting ${kind} [${id}].`,
  id,
});

function info<T extends { readonly id: number }>(
  method: string,
  kind: string,
  list: (state: OneState) => readonly T[],
  show: (context: MethodContext, object: T) => string,
): [string, Method] {
  return [
    method,
    (context, [id]) => {
      if (typeof id !== 'number')
        return { ok: false, code: codes.api, message: `[${method}] Parameter is not an integer.`, id: -1 };
      const object = list(context.state).find((each) => each.id === id);
      return object ? show(context, object) : missing(method, kind, id);
    },
  ];
}

const pool = (name: string, items: readonly string[]): string => `<${name}>${items.join('')}</${name}>`;

/** filter(-2 all), start, end, state: -2 any, -1 not DONE, else that one. */
function vmPool({ state }: MethodContext, params: readonly RpcValue[]): string {
  const wanted = Number(params[3] ?? -1);
  const first = Number(params[1] ?? -1);
  const last = Number(params[2] ?? -1);
  return pool(
    'VM_POOL',
    state.vms
      .filter((vm) => (wanted === -2 ? true : wanted === -1 ? vm.state !== 6 : vm.state === wanted))
      .filter((vm) => (first < 0 || vm.id >= first) && (last < 0 || vm.id <= last))
      .map((vm) => vmXml(vm, { history: 'last' })),
  );
}

const methods = new Map<string, Method>([
  info(
    'one.vm.info',
    'virtual machine',
    (state) => state.vms,
    (_, vm) => vmXml(vm, { history: 'all' }),
  ),
  info(
    'one.image.info',
    'image',
    (state) => state.images,
    ({ state }, image) => imageXml(state, image),
  ),
  info(
    'one.datastore.info',
    'datastore',
    (state) => state.datastores,
    ({ state, location }, datastore) => datastoreXml(state, datastore, location),
  ),
  info(
    'one.host.info',
    'host',
    (state) => state.hosts,
    (_, host) => hostXml(host),
  ),
  ['one.vmpool.infoextended', vmPool],
  // The plain call abbreviates VMs: no disk details (contract §8.2).
  ['one.vmpool.info', (context, params) => vmPool(context, params).replaceAll(/<DISK>.*?<\/DISK>/gs, '')],
  [
    'one.imagepool.info',
    ({ state }) =>
      pool(
        'IMAGE_POOL',
        state.images.map((image) => imageXml(state, image)),
      ),
  ],
  ['one.hostpool.info', ({ state }) => pool('HOST_POOL', state.hosts.map(hostXml))],
  [
    'one.datastorepool.info',
    ({ state, location }) =>
      pool(
        'DATASTORE_POOL',
        state.datastores.map((each) => datastoreXml(state, each, location)),
      ),
  ],
  ['one.hookpool.info', ({ state }) => pool('HOOK_POOL', (state.hooks ?? []).map(hookXml))],
  ['one.system.version', ({ state }) => state.version],
  ['one.zone.raftstatus', () => '<RAFT><SERVER_ID>-1</SERVER_ID><STATE>0</STATE><TERM>0</TERM></RAFT>'],
  [
    'one.system.config',
    ({ location }) =>
      `<OPENNEBULA_CONFIGURATION><DATASTORE_LOCATION><![CDATA[${location}]]></DATASTORE_LOCATION><SCRIPTS_REMOTE_DIR><![CDATA[/var/tmp/one]]></SCRIPTS_REMOTE_DIR></OPENNEBULA_CONFIGURATION>`,
  ],
]);

/** `undefined`: no such method. */
export function answerRpc(call: RpcCall, state: OneState, location: string): RpcResult | undefined {
  const method = methods.get(call.method);
  if (!method) return undefined;
  const [session, ...params] = call.params;
  if (session !== state.session) {
    const message = `[${call.method}] User couldn't be authenticated, aborting call.`;
    return { ok: false, code: codes.authentication, message, id: -1 };
  }
  const result = method({ state, location }, params);
  return typeof result === 'string' ? { ok: true, body: result } : result;
}

type Node = string | null | { readonly [name: string]: Node | readonly Node[] };

const list = (node: Node | readonly Node[] | undefined): readonly Node[] =>
  node === undefined ? [] : Array.isArray(node) ? node : [node as Node];

function child(node: Node | readonly Node[] | undefined, name: string): Node | readonly Node[] | undefined {
  const [first] = list(node);
  return first !== null && typeof first === 'object' ? first[name] : undefined;
}

function value(node: Node | readonly Node[] | undefined): RpcValue {
  const [first] = list(node);
  // A value without a type is a string.
  if (typeof first === 'string') return first;
  const [type, content] = Object.entries(first ?? {})[0] ?? ['string', ''];
  const text = typeof content === 'string' ? content : '';
  if (type === 'string') return text;
  if (type === 'boolean') return text === '1';
  if (type === 'int' || type === 'i4' || type === 'i8') return Number(text);
  throw new Error(`XML-RPC value of type ${type}`);
}

/** Throws for what is no XML-RPC request. */
export function readCall(body: string): RpcCall {
  const call = (Bun.XML.parse(body) as { readonly [name: string]: Node })['methodCall'];
  const method = call === undefined ? undefined : child(call, 'methodName');
  if (typeof method !== 'string') throw new Error('no methodCall');
  const params = call === undefined ? undefined : child(call, 'params');
  return { method, params: list(child(params, 'param')).map((param) => value(child(param, 'value'))) };
}

const text = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const header = '<?xml version="1.0" encoding="UTF-8"?>\r\n';

/** The failed answer has an object id and, in an extension type, a replication index behind the code. */
export function writeAnswer(result: RpcResult): string {
  const values = result.ok
    ? ['<boolean>1</boolean>', `<string>${text(result.body)}</string>`, '<i4>0</i4>']
    : [
        '<boolean>0</boolean>',
        `<string>${text(result.message)}</string>`,
        `<i4>${result.code}</i4>`,
        `<i4>${result.id}</i4>`,
        '<ex:i8 xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions">0</ex:i8>',
      ];
  const data = values.map((each) => `<value>${each}</value>\r\n`).join('');
  return `${header}<methodResponse>\r\n<params>\r\n<param><value><array><data>\r\n${data}</data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n`;
}

export function writeFault(code: number, message: string): string {
  return `${header}<methodResponse>\r\n<fault>\r\n<value><struct>\r\n<member><name>faultCode</name>\r\n<value><i4>${code}</i4></value></member>\r\n<member><name>faultString</name>\r\n<value><string>${text(message)}</string></value></member>\r\n</struct></value>\r\n</fault>\r\n</methodResponse>\r\n`;
}
