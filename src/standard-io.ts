import { fstatSync, readlinkSync, readSync, writeSync } from 'node:fs';

/*
 * The standard streams by their descriptors. `process.stdin` and `process.stdout` are made when they are first touched, with all of
 * Node's streams: 9 MiB each and several milliseconds of an action that reads one message and writes one line.
 */

/** All of `text`, before it returns. Nobody to read it is no error: the action's work is the same. */
export function writeTo(fd: 1 | 2, text: string): void {
  if (text === '') return;
  const bytes = new TextEncoder().encode(text);
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

/**
 * '' from a terminal, which nobody types a message into, and when stdin is closed. Waits where it is called: there is nothing
 * else to do before the message is there, and `Bun.stdin` starts two threads to wait for it.
 */
export async function readStdin(): Promise<string> {
  if (!hasInput()) return '';
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(64 * 1024);
  let text = '';
  for (;;) {
    const length = readChunk(chunk);
    // A pipe that the writer has made non-blocking: here waiting is left to the event loop.
    if (length === undefined) return text + decoder.decode(await Bun.stdin.bytes());
    if (length === 0) return text + decoder.decode();
    text += decoder.decode(chunk.subarray(0, length), { stream: true });
  }
}

function hasInput(): boolean {
  try {
    return !fstatSync(0).isCharacterDevice();
  } catch {
    return false;
  }
}

/** Bytes read, 0 at the end, undefined when there are none yet. */
function readChunk(chunk: Uint8Array): number | undefined {
  try {
    return readSync(0, chunk);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return undefined;
    throw error;
  }
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
