import { DriverError } from '../errors.ts';
import { hear } from './greeting.ts';
import type { HostCommand, Hosts } from './hosts.ts';

/** A script on a host that has reached a state and holds it until it is told to leave it. */
export interface HeldSession {
  /** What the script printed before it was ready. */
  readonly said: string;
  /** Tells the script to go on, and waits for its end. Safe to call twice. */
  release(): Promise<{ readonly exitCode: number; readonly stderr: string }>;
}

/** Milliseconds for the script to end once it was told to. */
const releaseMs = 120_000;
/** Milliseconds for output that is still under way when the process has ended. */
const drainMs = 1000;

/**
 * Starts `command` on `host` and waits for a line `ready`. The script then reads its stdin: a line or the end of
 * file means "go on". Because the end of file also comes when this process dies in whatever way, or the connection breaks, the
 * state cannot outlive us. Throws HOST_TIMEOUT or HOST_COMMAND when `ready` does not come.
 */
export async function holdSession(
  hosts: Hosts,
  host: string,
  command: Pick<HostCommand, 'verb' | 'script' | 'args'> & { readonly readyMs: number },
): Promise<HeldSession> {
  const started = performance.now();
  const tell = (outcome: string): void =>
    hosts.onCall?.({
      kind: hosts.isFrontend(host) ? 'local' : 'ssh',
      target: host,
      verb: command.verb,
      ms: performance.now() - started,
      outcome,
    });
  const child = Bun.spawn([...hosts.sshArgv(host, command)], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const stderr = lastOf(child.stderr);
  let released: Promise<{ exitCode: number; stderr: string }> | undefined;
  const release = (): Promise<{ exitCode: number; stderr: string }> => {
    released ??= (async () => {
      try {
        child.stdin.write('go\n');
        await child.stdin.end();
      } catch {
        // The other side is gone; its exit code tells the rest.
      }
      const hung = setTimeout(() => child.kill('SIGKILL'), releaseMs);
      const exitCode = await child.exited;
      clearTimeout(hung);
      tell(`exit ${exitCode}`);
      // A ControlPersist master that ssh started may hold the pipe open for minutes.
      return { exitCode, stderr: await Promise.race([stderr, Bun.sleep(drainMs).then(() => '')]) };
    })();
    return released;
  };
  const timer = setTimeout(() => child.kill(), command.readyMs);
  const ended = child.exited.then(() => Bun.sleep(drainMs)).then(() => ({ ready: false, text: '' }));
  const greets = !hosts.isFrontend(host);
  const said = await Promise.race([readUntilReady(child.stdout, greets), ended]);
  clearTimeout(timer);
  if (said.ready) return { said: said.text, release };
  const { exitCode, stderr: text } = await release();
  if (child.signalCode !== null)
    throw new DriverError(
      'HOST_TIMEOUT',
      `${command.verb} on ${host} did not get ready in ${command.readyMs / 1000} s`,
    );
  throw new DriverError(
    exitCode === 255 ? 'HOST_UNREACHABLE' : 'HOST_COMMAND',
    `${command.verb} on ${host} failed (exit code ${exitCode}): ${text.trim().split('\n').at(-1) ?? ''}`,
  );
}

/** The end of what it says, as far as it is of interest; not more is held in memory. */
async function lastOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of stream) text = (text + decoder.decode(chunk, { stream: true })).slice(-saidLimit);
  return text;
}

/** A script that gets ready says little before; more is not held in memory. */
const saidLimit = 1024 * 1024;

async function readUntilReady(
  stream: ReadableStream<Uint8Array>,
  greets: boolean,
): Promise<{ ready: boolean; text: string }> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { ready: false, text };
    text += decoder.decode(value, { stream: true });
    const answer = greets ? (hear(text).answer ?? '') : text;
    const end = answer.indexOf('ready\n');
    if (end < 0 && text.length <= saidLimit) continue;
    // Later output is read and dropped, or the script could block on a full pipe.
    void drain(reader);
    return end < 0 ? { ready: false, text: '' } : { ready: true, text: answer.slice(0, end) };
  }
}

async function drain(reader: { read(): Promise<{ done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}
