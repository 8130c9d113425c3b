/** Real loop devices for root: `losetup` over the image files. */

async function losetup(...args: string[]): Promise<string> {
  const call = Bun.spawn(['losetup', ...args], { stdout: 'pipe', stderr: 'pipe' });
  const [status, output, error] = await Promise.all([
    call.exited,
    new Response(call.stdout).text(),
    new Response(call.stderr).text(),
  ]);
  if (status !== 0) throw new Error(`losetup ${args.join(' ')}: ${error.trim()}`);
  return output.trim();
}

/** Path of the loop device that now shows `image`. */
export async function attachLoop(image: string): Promise<string> {
  return losetup('--find', '--show', '--', image);
}

/** Tells the device that its image has another size. */
export async function refreshLoop(device: string): Promise<void> {
  await losetup('--set-capacity', device);
}

export async function detachLoop(device: string): Promise<void> {
  await losetup('--detach', device);
}
