import { fstatSync, readlinkSync, writeSync } from 'node:fs';

/*
 * The standard streams by their descriptors. `process.stdin` and `process.stdout` are made when they are first touched, with all of
 * Node's streams: 9 MiB each and several milliseconds of an action that reads one message and writes one line.
 */

/** All of `text`, before it returns. Nobody to read it is no error: the action's work is the same. */
export function writeTo(fd: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const full = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (!full) return;
      // A pipe that the reader has made non-blocking.
      Bun.sleepSync(1);
    }
  }
}

/** '' from a terminal, which nobody types a message into, and when stdin is closed. */
export function readStdin(): Promise<string> {
  try {
    if (fstatSync(0).isCharacterDevice()) return Promise.resolve('');
  } catch {
    return Promise.resolve('');
  }
  return Bun.stdin.text();
}

/** What writes to the terminal that stderr is; undefined where it is none. */
export function terminalOf(): ((text: string) => void) | undefined {
  try {
    // /dev/null is a character device too.
    if (
      !fstatSync(2).isCharacterDevice() ||
      !readlinkSync('/proc/self/fd/2').match(/^\/dev\/(pts\/|tty|console)/)
    )
      return undefined;
  } catch {
    return undefined;
  }
  return (text) => writeTo(2, text);
}
