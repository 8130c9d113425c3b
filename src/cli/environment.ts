import type { Context } from '../context.ts';
import type { Log } from '../effects.ts';
import type { CliEnvironment } from './command.ts';
import { openTerminal } from './terminal.ts';
import { version } from './version.ts';

/** The real outside. The effects are loaded only by the commands that need them. */
export async function openEnvironment(): Promise<CliEnvironment> {
  const terminal = await openTerminal(process.env);
  const stop = new AbortController();
  let stopping = false;
  const onSignal = (): void => {
    if (stopping) process.exit(130);
    stopping = true;
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  const quiet: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (text) => terminal.message('warn', text),
    call: () => undefined,
  };
  return {
    terminal,
    env: process.env,
    executable: process.execPath,
    version,
    now: () => new Date(),
    context: async ({ withoutConfig = false } = {}): Promise<Context> => {
      const { createContext, readEnvironment } = await import('../runtime.ts');
      const options = { argv0: '', env: process.env, log: quiet, signal: stop.signal, action: 'linstor_un' };
      const environment = withoutConfig
        ? { config: { values: {}, linstorCommand: 'linstor', client: {}, ignored: [] } }
        : readEnvironment(options);
      const context = createContext(options, environment);
      if (!terminal.transient) return context;
      const { Waiting, watched } = await import('./waiting.ts');
      return watched(context, new Waiting(terminal.transient));
    },
  };
}
