import { runClient } from './client.ts';

/** `linstor …` inside a lab: prints what the client prints, returns its exit code. */
export async function main(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  const plain = !process.stdout.isTTY && !argv.includes('-m') && !argv.includes('--no-color');
  const { exit, stdout, stderr } = await runClient(plain ? ['--no-color', ...argv] : argv, { env });
  await write(process.stdout, stdout);
  await write(process.stderr, stderr);
  return exit;
}

/**
 * Not `Bun.write`: that truncates a regular file, and with it what others have written there (`>> log`). The reader
 * may go before everything is written (`| head`).
 */
function write(to: NodeJS.WriteStream, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (error?: Error | null): void => {
    if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error);
    else resolve();
  };
  if (text === '') return Promise.resolve();
  to.on('error', done);
  try {
    to.write(text, done);
  } catch (error) {
    done(error as Error);
  }
  return promise;
}
