import { followUsers } from '../api/auto-diskful.ts';
import { settleClones } from '../api/clone.ts';
import type { Runtime } from '../runtime.ts';
import { SatelliteFailure } from '../satellite/pass.ts';
import { ConnectionBroke } from '../satellite/work.ts';
import { type Body, readBody, readBodyList, Unparsable } from './body.ts';
import { type Answer, type Call, json } from './call.ts';
import { retCode } from './codes.ts';
import { type CallScope, createdAt, type Entry, Refusal, Reply, refusalEntry, statusOf } from './entry.ts';
import { type BodyRule, findRoute, type Route } from './routes.ts';
import { hangingOf } from './waiting.ts';

/** Answers one request of the REST interface. Faults are not its business. */
export async function handle(lab: Runtime, method: string, url: URL, text: string): Promise<Answer> {
  await settleClones(lab);
  await followUsers(lab);
  const path = url.pathname.replace(/\/+$/, '') || '/';
  const found = findRoute(method, path, lab.generation.rest);
  if (found === undefined)
    return noPath(lab, 404, `Path '${url.pathname}' not found on server.`, 'HTTP 404 Not Found');
  if (found === 'method') {
    return noPath(
      lab,
      405,
      `Method '${method}' not allowed on path '${url.pathname}'.`,
      'HTTP 405 Method Not Allowed',
    );
  }
  const { route, params } = found;
  const asked = { params, query: url.searchParams, text, path };
  let bodies: Bodies;
  try {
    bodies = read(text, route.body, lab.generation.rest);
  } catch (error) {
    // Outside of the lock: a call that is never answered holds up nobody else.
    if (error instanceof Unparsable) return unparsable(lab, error, route.body);
    throw error;
  }
  return lab.work.during({ method, path: `${path}${url.search}` }, () =>
    carryOut(lab, route, { ...asked, ...bodies }),
  );
}

/** Asks satellites first, then does what it is to do, then waits until the satellites have done it. */
async function carryOut(lab: Runtime, route: Route, asked: Asked & Bodies): Promise<Answer> {
  const work = () => answer(lab, asked, route.handler);
  try {
    await lab.work.ask(route.asks?.(lab, asked) ?? []);
  } catch (error) {
    return broken(lab, error);
  }
  if (route.reads) return work();
  const names = route.needs?.(asked) ?? [];
  const change = async (): Promise<Answer> => {
    await lab.work.recovered(() => hangingOf(lab, names));
    const said = await lab.exclusively(work);
    if (route.inTurn) lab.work.delay(lab.tuning.snapshotSeconds);
    try {
      await lab.work.settle();
      return said;
    } catch (error) {
      return broken(lab, error, said);
    }
  };
  return route.inTurn ? lab.work.inTurn(names, change) : change();
}

/** What is left of an answer when a satellite's connection breaks meanwhile: 500, and an entry without a message. */
function broken(lab: Runtime, error: unknown, said?: Answer): Answer {
  if (!(error instanceof ConnectionBroke)) throw error;
  const entry = {
    ret_code: retCode('error', 998),
    error_report_ids: [lab.report('', 'PeerClosingConnectionException')],
    created_at: createdAt(lab.now()),
  };
  return json([...(Array.isArray(said?.body) ? said.body : []), entry], 500);
}

interface Bodies {
  readonly body: Body;
  readonly list: Body[];
}

function noPath(lab: Runtime, status: number, message: string, details: string): Answer {
  return json(
    [{ ret_code: retCode('error', 998), message, details, created_at: createdAt(lab.now()) }],
    status,
  );
}

interface Asked {
  readonly params: Record<string, string>;
  readonly query: URLSearchParams;
  readonly text: string;
  readonly path: string;
}

async function answer(
  lab: Runtime,
  asked: Asked & Bodies,
  handler: (call: Call) => Promise<Answer> | Answer,
): Promise<Answer> {
  let scope: CallScope | undefined;
  let reply: Reply | undefined;
  const entryOf = (refusal: Refusal): Entry => {
    const report = refusal.options.report ? lab.report(refusal.message, 'ApiRcException') : undefined;
    return refusalEntry(refusal, scope, lab.now(), report);
  };
  try {
    const call: Call = {
      lab,
      ...asked,
      scope: (next) => {
        scope = next;
        reply = new Reply(next, () => lab.now());
        return reply;
      },
      answerIn: (step) => {
        try {
          step();
        } catch (error) {
          if (error instanceof Refusal) return entryOf(error);
          throw error;
        }
        throw new Error('the step did not refuse');
      },
    };
    return await handler(call);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    // A failing satellite comes after things have happened: what was said before stays in front.
    const said = error instanceof SatelliteFailure ? (reply?.entries ?? []) : [];
    return json([...said, entryOf(error)], statusFor(error));
  }
}

function statusFor(refusal: Refusal): number {
  const { severity = 'error', status } = refusal.options;
  if (status !== undefined) return status;
  return severity === 'error' ? statusOf(refusal.code) : 200;
}

function read(text: string, rule: BodyRule | undefined, rest: number): Bodies {
  const nothing = { body: {}, list: [] };
  if (!rule || rule.raw || !rule.schema) return nothing;
  if (rule.optional && text.trim() === '') return nothing;
  if (rule.list) {
    const list = readBodyList(text, rule.schema, rest);
    return { body: {}, list };
  }
  return { body: readBody(text, rule.schema, rest), list: [] };
}

async function unparsable(lab: Runtime, error: Unparsable, rule: BodyRule | undefined): Promise<Answer> {
  if (rule?.hangs) await new Promise<never>(() => undefined);
  const status = rule?.badStatus ?? 500;
  const report =
    status === 400 ? { error_report_ids: [lab.report(error.message, 'JsonProcessingException')] } : {};
  return json(
    [
      {
        ret_code: error.retCode,
        message: error.message,
        details: error.details,
        ...report,
        created_at: createdAt(lab.now()),
      },
    ],
    status,
  );
}
