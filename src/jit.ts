/** Most actions have less than this to compute; what computes longer is worth compiling. */
const startMs = 100;

/**
 * The program starts with JavaScriptCore reluctant to compile (`src/tools/build.ts`): in an action that reads one message, compiling
 * takes more time than it saves. Long work – a monitor of thousands of disks, a stream of an image, the lab – gets the usual policy.
 */
export function compileLongWork(): void {
  setTimeout(() => Bun.unsafe.setJITPolicy(1), startMs).unref();
}
