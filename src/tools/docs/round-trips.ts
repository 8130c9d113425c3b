import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/** What one call of an action costs. */
export interface RoundTrips {
  /** `tm/clone` */
  readonly action: string;
  /** What was asked of it: `CLONE_MODE=snapshot`. */
  readonly mode: string;
  readonly linstor: number;
  /** Passes of LINSTOR's satellites, and rounds of questions to them, that these calls wait for. */
  readonly passes: number;
  readonly asks: number;
  readonly ssh: number;
  /** XML-RPC calls to oned. */
  readonly one?: number | undefined;
  /** Why it is not fewer, where fewer were aimed at. */
  readonly comment?: string | undefined;
}

const count = z.int().nonnegative();

const schema = z.array(
  z.strictObject({
    action: z.string().regex(/^(datastore|tm|vmm)\/\w+$/),
    mode: z.string(),
    linstor: count,
    passes: count,
    asks: count,
    ssh: count,
    one: count.optional(),
    comment: z.string().optional(),
  }),
);

/** The counted table; undefined when the file does not exist. */
export function readRoundTrips(path: string): RoundTrips[] | undefined {
  return existsSync(path) ? schema.parse(JSON.parse(readFileSync(path, 'utf8'))) : undefined;
}
