import type { Reply } from './command.ts';
import type { Controller, RestAnswer } from './controller.ts';
import { entriesOf, severityOf, showEntry } from './entries.ts';
import { asList, asObject, asText, type Json, type JsonObject, printJson } from './json.ts';
import { drawTable, showKeyValues, showTable } from './tables.ts';
import { entryAsV0, listAsV0 } from './v0.ts';

export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  api: 10,
  connection: 20,
  timeout: 21,
  reply: 22,
} as const;

export interface Output {
  stdout: string;
  stderr: string;
}

/** What the global options say. */
export interface Mode {
  readonly machine: boolean;
  readonly v0: boolean;
  readonly colour: boolean;
  readonly warnAsError: boolean;
}

/** From the answers to output and exit code. */
export class Answering {
  readonly #controller: Controller;
  readonly #mode: Mode;
  readonly #out: Output;
  readonly #pollMs: number;

  constructor(controller: Controller, mode: Mode, out: Output, pollMs: number) {
    this.#controller = controller;
    this.#mode = mode;
    this.#out = out;
    this.#pollMs = pollMs;
  }

  async answer(plan: {
    requests: readonly Parameters<Controller['ask']>[0][];
    reply: Reply;
  }): Promise<number> {
    const { reply, requests } = plan;
    await this.#controller.connect();
    if (reply.kind === 'which') return this.#which();
    const answers: RestAnswer[] = [];
    for (const request of requests) answers.push(await this.#controller.ask(request));
    const [first = { status: 200, body: null }] = answers;
    if (reply.kind === 'clone') return this.#clone(first, reply, String(requests[0]?.path));
    if (reply.kind === 'wait-sync') return this.#waitSync(first, reply, String(requests[0]?.path));
    if (reply.kind === 'key-values') return this.#keyValues(first, reply.instance);
    const refused = answers
      .map(({ body }) => entriesOf(body) ?? refusedQuery(reply, body))
      .find((found) => found !== undefined);
    if (reply.kind === 'entries') return this.#entries(answers.flatMap(({ body }) => entriesOf(body) ?? []));
    if (refused) return this.#entries(refused);
    return this.#document(reply, first.body, answers);
  }

  #which(): number {
    const name = this.#controller.name;
    this.#out.stdout += this.#mode.machine ? `{"controller_uri": "${name}"}\n` : `${name}\n`;
    return exitCode.ok;
  }

  #print(value: Json): void {
    this.#out.stdout += `${printJson(value)}\n`;
  }

  /** With -m every API answer exits 0, errors included; without, an error exits 10 (linstor-behaviour §4.1). */
  #entries(list: readonly JsonObject[]): number {
    if (this.#mode.machine) {
      this.#print(this.#mode.v0 ? list.map(entryAsV0) : list);
      return exitCode.ok;
    }
    for (const entry of list) this.#out.stdout += showEntry(entry, this.#mode.colour);
    const bad = list.some(
      (entry) => severityOf(entry) === 'error' || (this.#mode.warnAsError && severityOf(entry) === 'warning'),
    );
    return bad ? exitCode.api : exitCode.ok;
  }

  #document(reply: Reply, body: Json, answers: readonly RestAnswer[]): number {
    const { machine, v0 } = this.#mode;
    switch (reply.kind) {
      case 'list':
        if (machine) this.#print([v0 ? listAsV0(reply.v0, body) : body]);
        else this.#out.stdout += `${showTable(reply.table, body)}\n`;
        return exitCode.ok;
      case 'flat-list':
        if (machine) this.#print(body);
        else this.#out.stdout += `${showTable(reply.table, body)}\n`;
        return exitCode.ok;
      case 'version': {
        const { version, git_hash } = asObject(body);
        // One line, with Python's blanks.
        this.#out.stdout += machine
          ? `${oneLine(body)}\n`
          : `linstor controller ${asText(version)}; GIT-hash: ${asText(git_hash)}\n`;
        return exitCode.ok;
      }
      case 'query':
        this.#print(machine && reply.wrapped ? [body] : body);
        return exitCode.ok;
      case 'properties':
        this.#properties(reply.pick(body));
        return exitCode.ok;
      case 'report':
        for (const { body: found } of answers) {
          if (machine) this.#print(found);
          else for (const each of asList(found)) this.#out.stdout += `${asText(asObject(each)['text'])}\n`;
        }
        return exitCode.ok;
      default:
        return exitCode.ok;
    }
  }

  /** A missing object prints a blank line and exits 0 (recorded). */
  #properties(props: Json | undefined): void {
    const pairs = Object.entries(asObject(props)).sort(([a], [b]) => (a < b ? -1 : 1));
    if (pairs.length === 0) {
      this.#out.stdout += '\n';
      return;
    }
    if (this.#mode.machine) this.#print([pairs.map(([key, value]) => ({ key, value }))]);
    else
      this.#out.stdout += `${drawTable(
        [{ title: 'Key' }, { title: 'Value' }],
        pairs.map(([key, value]) => [key, asText(value)]),
      )}\n`;
  }

  /** With -m the real client crashes when there is something to show (linstor-behaviour §10 no. 14). */
  #keyValues(answer: RestAnswer, instance: string | undefined): number {
    const refused = entriesOf(answer.body);
    if (refused) return this.#entries(refused);
    if (!this.#mode.machine) {
      this.#out.stdout += `${showKeyValues(asList(answer.body).map(asObject), instance)}\n`;
      return exitCode.ok;
    }
    if (asList(answer.body).length > 0)
      throw new Error('TypeError: Object of type KeyValueStoresResponse is not JSON serializable');
    this.#print([]);
    return exitCode.ok;
  }

  async #clone(answer: RestAnswer, reply: Extract<Reply, { kind: 'clone' }>, path: string): Promise<number> {
    const clone = asObject(answer.body);
    const messages = asList(clone['messages'] ?? answer.body).map(asObject);
    // No names to go on with: the real client fails on the missing field when the source does not exist.
    if (clone['messages'] === undefined && entriesOf(answer.body)) throw new Error("KeyError: 'messages'");
    const code = this.#entries(messages);
    if (code !== exitCode.ok || reply.noWait) return code;
    const target = asText(clone['clone_name']);
    const status = `${path}/${encodeURIComponent(target)}`;
    const deadline =
      reply.timeoutSeconds === undefined
        ? Number.POSITIVE_INFINITY
        : Date.now() + reply.timeoutSeconds * 1000;
    if (!this.#mode.machine) this.#out.stdout += 'Waiting for cloning to complete...\n';
    for (;;) {
      const { body } = await this.#controller.ask({ method: 'GET', path: status });
      const state = asText(asObject(body)['status']);
      if (state === 'COMPLETE') return exitCode.ok;
      if (state !== 'CLONING' || Date.now() > deadline) {
        const [entry] = entriesOf(body) ?? [];
        if (entry) this.#out.stderr += showEntry(entry, this.#mode.colour);
        return exitCode.api;
      }
      await Bun.sleep(this.#pollMs);
    }
  }

  async #waitSync(
    answer: RestAnswer,
    reply: Extract<Reply, { kind: 'wait-sync' }>,
    path: string,
  ): Promise<number> {
    const deadline =
      reply.timeoutSeconds === undefined
        ? Number.POSITIVE_INFINITY
        : Date.now() + reply.timeoutSeconds * 1000;
    let { body } = answer;
    for (;;) {
      const refused = entriesOf(body);
      if (refused) return this.#entries(refused);
      if (asObject(body)['synced_on_all'] === true) return exitCode.ok;
      if (Date.now() > deadline) return exitCode.api;
      await Bun.sleep(this.#pollMs);
      ({ body } = await this.#controller.ask({ method: 'GET', path }));
    }
  }
}

/** A refused size query is HTTP 200 with the entries in `reports` (linstor-behaviour §0.3). */
function refusedQuery(reply: Reply, body: Json): JsonObject[] | undefined {
  if (reply.kind !== 'query') return undefined;
  const { reports, ...rest } = asObject(body);
  return Object.keys(rest).length === 0 ? entriesOf(reports ?? null) : undefined;
}

function oneLine(value: Json): string {
  return printJson(value, 1).replaceAll(/\n\s*/g, ' ').replace(/^\{ /, '{').replace(/ \}$/, '}');
}
