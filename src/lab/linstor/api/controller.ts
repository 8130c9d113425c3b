import { sorted } from '../model/group.ts';
import { changeProps } from '../model/properties.ts';
import type { ErrorReport } from '../model/state.ts';
import { done, type Handler, json, map, page, text, texts, wanted } from '../rest/call.ts';
import { CREATED, DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal } from '../rest/entry.ts';
import { pass } from '../satellite/pass.ts';

const GIT = '1ff3a1ea5cb5c77100265ec442bb9a492b225145';
const BUILT = '2026-11-23T01:39:24+00:00';

export const version: Handler = ({ lab }) =>
  json({
    version: lab.generation.version,
    git_hash: GIT,
    build_time: BUILT,
    rest_api_version: lab.generation.restVersion,
  });

export const health: Handler = () => ({ status: 200, body: '', plain: true });

export const properties: Handler = ({ lab }) => json(sorted(lab.state.controllerProps));

/** Re-applies everything everywhere, as the real one does (linstor-behaviour §3.1). */
export const setProperties: Handler = async (call) => {
  const { lab, body } = call;
  const reply = call.scope({
    operation: 'modify',
    object: 'controller',
    refs: {},
    subject: 'Controller properties',
  });
  const change = {
    override: map(body, 'override_props'),
    remove: texts(body, 'delete_props'),
    namespaces: texts(body, 'delete_namespaces'),
  };
  changeProps(undefined, lab.state.controllerProps, change, { owner: 'C' });
  for (const [key, value] of Object.entries(change.override ?? {})) {
    reply.add(CREATED, `Successfully set property '${key}' to value '${value}'`, { operation: 'create' });
  }
  for (const key of change.remove ?? []) {
    reply.add(DELETED, `Successfully deleted property '${key}'`, { operation: 'delete' });
  }
  for (const definition of lab.state.definitions) await pass(lab, reply, definition);
  return done(reply);
};

export const reports: Handler = ({ lab, query }) => {
  const nodes = wanted(query, 'node');
  const since = Number(query.get('since') ?? 0);
  const to = Number(query.get('to') ?? Number.MAX_SAFE_INTEGER);
  const found = lab.state.reports
    .filter(
      (report) =>
        (nodes.length === 0 || nodes.includes(report.node)) && report.time >= since && report.time <= to,
    )
    .sort((a, b) => b.time - a.time);
  return json(
    page(query, found).map((report) =>
      reportJson(lab.generation.version, report, query.get('withContent') === 'true'),
    ),
  );
};

export const report: Handler = ({ lab, params }) => {
  const id = (params['id'] ?? '').replace(/^ErrorReport-/, '').replace(/\.log$/, '');
  return json(
    lab.state.reports
      .filter((item) => item.id === id)
      .map((item) => reportJson(lab.generation.version, item, true)),
  );
};

function reportJson(release: string, item: ErrorReport, content: boolean): Record<string, unknown> {
  return {
    node_name: item.node,
    error_time: item.time,
    filename: `ErrorReport-${item.id}.log`,
    module: item.module,
    version: release,
    exception: item.exception,
    exception_message: item.message,
    origin_file: 'Lab.java',
    origin_method: 'refuse',
    origin_line: 1,
    ...(content
      ? { text: `ERROR REPORT ${item.id}\n\nReported error:\n===============\n\n${item.message}\n` }
      : {}),
  };
}

/** `unset`, `locked` or `unlocked` (REST 1.25). */
export const passphraseStatus: Handler = ({ lab }) => {
  const { passphrase, locked } = lab.state.encryption;
  return json({ status: passphrase === undefined ? 'unset' : locked ? 'locked' : 'unlocked' });
};

export const createPassphrase: Handler = (call) => {
  const { encryption } = call.lab.state;
  const reply = call.scope({ operation: 'create', object: 'controller', refs: {}, subject: '' });
  const secret = text(call.body, 'new_passphrase');
  if (encryption.passphrase !== undefined) {
    throw new Refusal(512, 'Could not create new crypt passphrase as it already exists', {
      cause: 'A passphrase was already defined',
      correction: 'Use the crypt-modify-passphrase command instead of crypt-create-passphrase',
    });
  }
  if (!secret) throw new Refusal(600, "Required property 'new_passphrase' is missing.");
  encryption.passphrase = secret;
  encryption.locked = false;
  reply.add(1, 'Crypt passphrase created.');
  return done(reply, 201);
};

const wrongPassphrase = (): Refusal =>
  new Refusal(600, 'Could not restore master passphrase as the given old passphrase was incorrect', {
    cause: 'Wrong passphrase',
    correction: 'Enter the correct passphrase',
  });

export const enterPassphrase: Handler = (call) => {
  const { encryption } = call.lab.state;
  const reply = call.scope({ operation: 'modify', object: 'controller', refs: {}, subject: '' });
  const given = JSON.parse(call.text) as unknown;
  if (encryption.passphrase === undefined) {
    throw new Refusal(600, 'encrypted namespace is empty, you need to set a passphrase first');
  }
  if (given !== encryption.passphrase) throw wrongPassphrase();
  encryption.locked = false;
  reply.add(4, 'Passphrase accepted');
  return done(reply);
};

export const modifyPassphrase: Handler = (call) => {
  const { encryption } = call.lab.state;
  const reply = call.scope({ operation: 'modify', object: 'controller', refs: {}, subject: '' });
  const fresh = text(call.body, 'new_passphrase');
  if (encryption.passphrase === undefined || text(call.body, 'old_passphrase') !== encryption.passphrase) {
    throw wrongPassphrase();
  }
  if (!fresh) throw new Refusal(600, "Required property 'new_passphrase' is missing.");
  encryption.passphrase = fresh;
  reply.add(MODIFIED, 'Crypt passphrase updated');
  return done(reply);
};
