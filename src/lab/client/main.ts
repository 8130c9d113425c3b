import { runClient } from './client.ts';

/** `linstor …` inside a lab: prints what the client prints, returns its exit code. */
export async function main(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  const plain = !process.stdout.isTTY && !argv.includes('-m') && !argv.includes('--no-color');
  const { exit, stdout, stderr } = await runClient(plain ? ['--no-color', ...argv] : argv, { env });
  await Bun.write(Bun.stdout, stdout);
  await Bun.write(Bun.stderr, stderr);
  return exit;
}
