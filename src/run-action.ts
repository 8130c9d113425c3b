import type { ActionHandler, Call } from './actions/action.ts';
import { findAction } from './actions/registry.ts';
import type { Context } from './context.ts';
import type { Log } from './effects.ts';
import { DriverError, isDriverError, toDriverError } from './errors.ts';
import type { ActionInvocation } from './invocation.ts';
import { openActionLog } from './log/action-log.ts';
import { failureText, type LogLevel, logText, replyText } from './opennebula/reply.ts';
import type { Settings } from './opennebula/settings.ts';
import { type Generation, generationOf } from './opennebula/version.ts';
import { createContext, readEnvironment } from './runtime.ts';
import { readStdin, terminalOf, writeTo } from './standard-io.ts';
import type { Undo } from './undo.ts';

/** Signals by which OpenNebula, systemd or a person stops an action. */
const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/**
 * One driver action from call to exit code: runs it, and on failure or a signal takes back what it did. stdout gets
 * the one reply line, stderr what OpenNebula's release takes (contract §1.5).
 */
export async function runAction({ action, argv, calledAs }: ActionInvocation): Promise<number> {
  const { env } = process;
  const call: Call = { ...action, argv, stdin: onceStdin() };
  const journal = openActionLog(call, env);
  let generation: Generation = 'split';
  const say = (level: LogLevel, text: string): void => {
    journal.note(level, text);
    writeTo(2, logText(generation, call, level, text, journal.secrets()));
  };
  const log: Log = {
    debug: (text) => journal.note('debug', text),
    info: (text) => say('info', text),
    warn: (text) => say('warn', text),
    call: (entry) => journal.call(entry),
    progress: (state) => journal.progress(state),
    get terminal() {
      return terminalOf();
    },
  };
  try {
    // The launcher below remotes/ says by which path it was called; that tells where remotes/ is.
    const argv0 = calledAs || (env['LINSTOR_UN_CALLED_AS'] ?? '');
    const environment = readEnvironment({ argv0, env });
    generation = generationOf(environment.oneVersion);
    const signal = stopSignal(call);
    const { context, yielding } = noteYielding(
      createContext(
        {
          env,
          log,
          signal,
          action: `${call.kind}/${call.name}`,
          onSecrets: (found) => journal.hide(...found),
        },
        environment,
      ),
    );
    const handler = await load(call);
    const reply = await withRoom(context, context.signal, yielding, () =>
      orUndo(context.undo, context.signal, async () => {
        const answer = await handler(call, context);
        await context.confirm?.();
        return answer;
      }),
    );
    const text = replyText(call, reply);
    context.undo.commit();
    writeTo(1, text);
    journal.end({ ok: true, ...(reply === undefined ? {} : { reply }) });
    return 0;
  } catch (thrown) {
    const error = toDriverError(thrown);
    writeTo(2, failureText(generation, call, error, journal.secrets()));
    journal.end({ ok: false, error });
    return error.driverExitCode;
  }
}

/** With the settings of the action's datastores that give room by emptying the trash (TRASH_WHEN_FULL). */
function noteYielding(context: Context): { context: Context; yielding: () => Settings | undefined } {
  let found: Settings | undefined;
  return {
    context: {
      ...context,
      settings: (...templates) => {
        const settings = context.settings(...templates);
        if (settings.trashWhenFull === 'empty') found = settings;
        return settings;
      },
    },
    yielding: () => found,
  };
}

/** Where LINSTOR has no room and all is taken back, the oldest of the trash goes and the action begins anew, until there is room or no trash. */
async function withRoom<T>(
  context: Context,
  signal: AbortSignal,
  yielding: () => Settings | undefined,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const settings = isDriverError(error, 'LINSTOR_NO_SPACE') && !signal.aborted ? yielding() : undefined;
      if (!settings) throw error;
      const { makeRoom } = await import('./trash/room.ts');
      const linstor = context.linstor(settings);
      if (!(await makeRoom(context, { linstor, settings }, error).catch(() => false))) throw error;
    }
  }
}

function stopSignal(call: Call): AbortSignal {
  const stop = new AbortController();
  for (const signal of stopSignals) {
    process.on(signal, () =>
      stop.abort(new DriverError('INTERRUPTED', `${call.name} was stopped by ${signal}`)),
    );
  }
  return stop.signal;
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
      driverExitCode: error.driverExitCode,
      cause: error,
    });
  }
}

/** stdin is read only by the actions that want it, and only once. */
function onceStdin(): () => Promise<string> {
  let text: Promise<string> | undefined;
  return () => {
    text ??= readStdin();
    return text;
  };
}
