import type { ActionHandler, Call } from './actions/action.ts';
import { findAction } from './actions/registry.ts';
import type { Log } from './context.ts';
import { DriverError, toDriverError } from './errors.ts';
import type { ActionInvocation } from './invocation.ts';
import { JsonLog, logPath } from './log/json-log.ts';
import { ActionRecorder } from './log/record.ts';
import { failureText, logText, type LogLevel, replyText } from './opennebula/reply.ts';
import { generationOf, type Generation } from './opennebula/version.ts';
import { createContext, readEnvironment } from './runtime.ts';
import type { Undo } from './undo.ts';

/** Signals by which OpenNebula, systemd or a person stops an action. */
const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/**
 * One driver action from call to exit code: runs it, and on failure or a signal takes back what it did. stdout gets
 * the one reply line, stderr what OpenNebula's release takes (contract §1.5).
 */
export async function runAction({ action, argv, calledAs: called }: ActionInvocation): Promise<number> {
  // The launcher below remotes/ says by which path it was called; that tells where remotes/ is.
  const calledAs = called || (process.env['LINSTOR_UN_CALLED_AS'] ?? '');
  const call: Call = { ...action, argv, stdin: onceStdin() };
  const secrets: string[] = [];
  const record = new ActionRecorder({ ...action, argv }, { secrets: () => secrets });
  const stop = new AbortController();
  for (const signal of stopSignals) process.on(signal, () => stop.abort(new DriverError('INTERRUPTED', `${call.name} was stopped by ${signal}`)));
  let generation: Generation = 'split';
  const log: Log = {
    debug: (text) => record.note('debug', text),
    info: (text) => say('info', text),
    warn: (text) => say('warn', text),
    call: (entry) => record.call(entry),
  };
  const say = (level: LogLevel, text: string): void => {
    record.note(level, text);
    process.stderr.write(logText(generation, call, level, text, secrets));
  };
  try {
    const environment = readEnvironment({ argv0: calledAs, env: process.env });
    generation = generationOf(environment.oneVersion);
    const context = createContext({ argv0: calledAs, env: process.env, log, signal: stop.signal, action: `${call.kind}/${call.name}`, onSecrets: (found) => secrets.push(...found) }, environment);
    const handler = await load(call);
    const reply = await orUndo(context.undo, stop.signal, () => handler(call, context));
    const text = replyText(call, reply);
    context.undo.commit();
    process.stdout.write(text);
    keep(record.finish({ reply }));
    return 0;
  } catch (thrown) {
    const error = toDriverError(thrown);
    process.stderr.write(failureText(generation, call, error, secrets));
    keep(record.finish({ error }));
    return 1;
  }
}

/** A log that cannot be written never fails an action. */
function keep(record: ReturnType<ActionRecorder['finish']>): void {
  const path = logPath(process.env);
  if (path !== undefined) new JsonLog({ path }).write(record);
}

async function load(call: Call): Promise<ActionHandler> {
  const definition = findAction(call.kind, call.name);
  if (!definition) throw new DriverError('UNKNOWN_ACTION', `there is no action ${call.kind}/${call.name}`);
  return definition.load();
}

/** Failure and signals run the undo stack; what could not be undone is named in the error. */
async function orUndo<T>(undo: Undo, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    await undo.rollback();
    const error = signal.aborted ? toDriverError(signal.reason) : toDriverError(thrown);
    if (undo.failed.length === 0) throw error;
    throw new DriverError(error.code, error.message, {
      details: [...error.details, `not undone: ${undo.failed.join(', ')}`],
      reports: error.reports,
      remedy: error.remedy,
      cause: error,
    });
  }
}

/** stdin is read only by the actions that want it, and only once. */
function onceStdin(): () => Promise<string> {
  let text: Promise<string> | undefined;
  return () => {
    text ??= process.stdin.isTTY ? Promise.resolve('') : Bun.stdin.text();
    return text;
  };
}
