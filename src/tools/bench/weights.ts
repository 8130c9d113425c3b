/** What an action waits for, by who has to answer. */
export interface Waits {
  /** All calls to LINSTOR. */
  readonly linstor: number;
  /** Rounds of work for the satellites that these calls wait for. */
  readonly passes: number;
  /** Rounds of questions to the satellites. */
  readonly asks: number;
  readonly ssh: number;
}

/**
 * Seconds, as seen on real DRBD in virtual machines under software emulation: 10 to 20 times those of hardware, so only proportions
 * count. A pass: changing a property 6 to 12, restoring 7, a snapshot 10, spawning 24 and more. A question: a view 1 to 3, pools 3 to 11.
 */
const seconds = { pass: 10, ask: 2, call: 0.02, session: 0.9 } as const;

/** What the calls would take one after the other where satellites work on real disks; they overlap in part. */
export const weightOf = ({ linstor, passes, asks, ssh }: Waits): number =>
  passes * seconds.pass + asks * seconds.ask + linstor * seconds.call + ssh * seconds.session;
